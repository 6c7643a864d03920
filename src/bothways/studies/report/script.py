"""The page's own script: draws figures near the screen first, in the reader's theme, and all again for print."""

from __future__ import annotations

import json

from bothways.studies.report.palette import DARK, LIGHT

_PROGRAM = """
(function () {
  "use strict";
  var themes = THEMES;
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  var touch = window.matchMedia("(pointer: coarse)").matches;
  var plots = Array.prototype.slice.call(document.querySelectorAll(".plot"));
  var printing = false;

  function theme() { return themes[dark.matches && !printing ? "dark" : "light"]; }

  function group(trace) { return trace.legendgroup || trace.name; }

  function hide(plot, traces) {
    document.querySelectorAll('.keys[data-plot="' + plot.id + '"] button').forEach(function (button) {
      traces.forEach(function (trace) {
        if (group(trace) === button.dataset.key) {
          trace.visible = button.getAttribute("aria-pressed") === "true";
        }
      });
    });
  }

  function look(plot, layout) {
    var chosen = document.querySelector('.ranges[data-plot="' + plot.id + '"] button[aria-pressed=true]');
    if (!chosen) { return; }
    Object.keys(layout).forEach(function (name) {
      if (/^xaxis/.test(name)) { layout[name].range = [Number(chosen.dataset.begin), Number(chosen.dataset.end)]; }
    });
  }

  function spec(plot) {
    var colours = theme();
    var text = document.getElementById(plot.dataset.spec).textContent;
    var parsed = JSON.parse(text.replace(/@([a-z0-9-]+)@/g, function (whole, name) {
      return Object.prototype.hasOwnProperty.call(colours, name) ? colours[name] : whole;
    }));
    hide(plot, parsed.data);
    look(plot, parsed.layout);
    var layout = parsed.layout, narrow = plot.clientWidth < 560;
    layout.autosize = true;
    layout.height = plot.clientHeight;
    if (printing) { layout.autosize = false; layout.width = plot.dataset.compact ? 320 : 680; }
    if (touch) { layout.dragmode = false; }
    if (narrow) {
      layout.font.size = 11;
      layout.margin.l = Math.min(layout.margin.l, 44);
      Object.keys(layout).forEach(function (name) {
        if (/^xaxis/.test(name)) { layout[name].nticks = Math.min(layout[name].nticks || 5, 5); }
      });
    }
    return parsed;
  }

  function draw(plot) {
    var parsed = spec(plot);
    plot.dataset.drawn = "yes";
    return Plotly.react(plot, parsed.data, parsed.layout, {
      responsive: true, displaylogo: false, doubleClick: "reset",
      displayModeBar: touch || plot.dataset.compact ? false : "hover",
      modeBarButtons: [["toImage", "resetScale2d"]],
      toImageButtonOptions: { format: "svg", filename: plot.id }
    });
  }

  function drawn(plot) { return plot.dataset.drawn === "yes"; }
  function redraw() { plots.filter(drawn).forEach(draw); }

  if ("IntersectionObserver" in window) {
    var watch = new IntersectionObserver(function (entries) {
      entries.forEach(function (entry) {
        if (!entry.isIntersecting) { return; }
        watch.unobserve(entry.target);
        if (!drawn(entry.target)) { draw(entry.target); }
      });
    }, { rootMargin: "600px 0px" });
    plots.forEach(function (plot) { watch.observe(plot); });
  }

  // the rest is drawn one by one while the reader reads, so that scrolling later never waits
  function next() {
    var waiting = plots.filter(function (plot) { return !drawn(plot); });
    if (waiting.length) { draw(waiting[0]); window.setTimeout(next, 120); }
  }
  window.setTimeout(next, 800);

  dark.addEventListener("change", redraw);
  window.addEventListener("beforeprint", function () { printing = true; plots.forEach(draw); });
  window.addEventListener("afterprint", function () { printing = false; redraw(); });

  document.querySelectorAll(".keys button").forEach(function (button) {
    button.addEventListener("click", function () {
      button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
      draw(document.getElementById(button.parentNode.dataset.plot));
    });
  });

  document.querySelectorAll(".ranges").forEach(function (group) {
    var buttons = Array.prototype.slice.call(group.querySelectorAll("button"));
    buttons.forEach(function (button) {
      button.addEventListener("click", function () {
        var plot = document.getElementById(group.dataset.plot);
        buttons.forEach(function (other) { other.setAttribute("aria-pressed", String(other === button)); });
        draw(plot);
      });
    });
  });
})();
"""


def program() -> str:
    """The script with both themes inside."""
    themes = json.dumps({"light": dict(LIGHT), "dark": dict(DARK)}, separators=(",", ":"))
    return _PROGRAM.replace("THEMES", themes)
