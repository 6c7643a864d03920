// Says when nothing comes from the server any more, so that nobody takes old figures for new ones.
(() => {
  "use strict";
  const LONGEST_MS = 8000;
  const said = document.currentScript.dataset.text;
  const place = document.createElement("div");
  place.id = "bw-news";
  place.setAttribute("role", "alert");
  place.hidden = true;
  document.body.prepend(place);
  let last = Date.now();
  const heard = () => {
    last = Date.now();
    look();
  };
  const look = () => {
    const silent = Date.now() - last;
    const lost = silent > LONGEST_MS || (window.socket !== undefined && !window.socket.connected && silent > 2000);
    if (lost) {
      place.textContent = said.replace("{seconds}", String(Math.round(silent / 1000)));
    }
    if (place.hidden === lost) {
      place.hidden = !lost;
      document.body.classList.toggle("bw-old", lost);
    }
  };
  const listen = () => {
    if (window.socket === undefined) {
      setTimeout(listen, 200);
      return;
    }
    window.socket.onAny(heard);
    window.socket.on("connect", heard);
    window.socket.io.on("ping", heard);
    heard();
  };
  listen();
  setInterval(look, 1000);
})();
