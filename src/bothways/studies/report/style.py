"""The page's style sheet: one column, quiet type, tables that can be read on a phone, on dark screens and on paper."""

from __future__ import annotations

from bothways.studies.report.palette import DARK, LIGHT

_RULES = """
*,*::before,*::after{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%;scroll-behavior:smooth}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
body{margin:0;background:var(--page);color:var(--ink);font:400 1.0625rem/1.6 var(--sans);overflow-wrap:break-word}
.wrap{max-width:68rem;margin:0 auto;padding:0 1.25rem}
a{color:inherit;text-decoration-color:var(--faint);text-underline-offset:.2em}
a:hover{text-decoration-color:currentColor}
:focus-visible{outline:3px solid var(--smart);outline-offset:2px;border-radius:2px}
.skip{position:absolute;left:-999rem}
.skip:focus{left:1rem;top:1rem;background:var(--paper);padding:.5rem 1rem;z-index:9}
h1,h2,h3{font-family:var(--serif);font-weight:600;line-height:1.2;text-wrap:balance;margin:0}
h1{font-size:clamp(2rem,5.2vw,3.25rem);letter-spacing:-.015em;line-height:1.08}
h2{font-size:clamp(1.5rem,3.4vw,2.1rem);letter-spacing:-.01em}
h3{font-size:1.2rem}
section>h3{margin-top:2.6rem}
p{margin:.6rem 0 0;max-width:44rem}
ul{margin:.6rem 0 0;padding-left:1.2rem;max-width:44rem}
li+li{margin-top:.35rem}
code{font:.92em/1.4 var(--mono);background:var(--sunk);padding:.1em .35em;border-radius:3px}
pre{font:.95rem/1.5 var(--mono);background:var(--sunk);padding:.9rem 1.1rem;overflow-x:auto;border-radius:4px;
 margin:.8rem 0 0}
.nb{white-space:nowrap}
.muted{color:var(--muted)}
.small{font-size:.9rem}
.mast{padding-top:2.2rem}
.brand{display:flex;gap:.6rem;align-items:baseline;font-size:.85rem;letter-spacing:.02em;color:var(--muted);
 margin:0 0 1.6rem}
.brand b{color:var(--ink);font-weight:700}
.lede{font-size:1.2rem;line-height:1.5;color:var(--muted);margin-top:1rem}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.9rem 1.5rem;margin:1.8rem 0 0;
 padding:1rem 0;border-top:1px solid var(--rule);border-bottom:1px solid var(--rule)}
.facts div,.stats div{min-width:0}
dt{font-size:.82rem;color:var(--muted);line-height:1.35}
dd{margin:.1rem 0 0;font-weight:600;font-size:.98rem;line-height:1.35}
nav ol{display:flex;flex-wrap:wrap;gap:.2rem 1.3rem;list-style:none;margin:.9rem 0 0;padding:0;max-width:none;
 font-size:.92rem}
nav li+li{margin:0}
section{margin-top:4.2rem}
.kicker{font-size:.85rem;color:var(--muted);margin:0 0 .3rem}
.answer{margin-top:2rem;padding-top:1.1rem;border-top:2px solid var(--ink)}
.answer .say{font:500 clamp(1.2rem,2.5vw,1.5rem)/1.4 var(--serif);max-width:50rem;margin-top:.5rem;text-wrap:pretty}
.say b{font-weight:700}
.say .s{color:var(--smart)} .say .b{color:var(--bidirectional)}
.stats{display:grid;grid-template-columns:repeat(4,1fr);gap:1.2rem 1.6rem;margin:1.3rem 0 0}
.stats dd{font:600 clamp(1.4rem,2.6vw,1.85rem)/1.15 var(--sans);letter-spacing:-.015em;
 font-variant-numeric:tabular-nums}
.stats dd small{display:block;font:400 .88rem/1.4 var(--sans);letter-spacing:0;color:var(--muted);margin-top:.2rem}
.pays{margin-top:1.2rem;color:var(--muted);font-size:.98rem}
.stats dt{min-height:2.7em}
.stats div{border-left:3px solid var(--faint);padding-left:.8rem}
.stats .smart{border-color:var(--smart)} .stats .bidirectional{border-color:var(--bidirectional)}
.scroll{overflow-x:auto;margin:1.4rem 0 0;-webkit-overflow-scrolling:touch}
table{border-collapse:collapse;width:100%;font-size:.94rem;line-height:1.4;
 font-variant-numeric:tabular-nums lining-nums}
caption{caption-side:top;text-align:left;font:600 1.2rem/1.3 var(--serif);padding:0 0 .5rem}
caption b{display:block;font-weight:600}
caption b,caption span{position:sticky;left:0;max-width:min(44rem,calc(100vw - 2.5rem))}
caption span{display:block;font:400 .9rem/1.45 var(--sans);color:var(--muted);margin-top:.15rem}
th,td{padding:.42rem .8rem .42rem 0;vertical-align:top;text-align:left;border-bottom:1px solid var(--rule)}
th{font-weight:600}
tbody th{font-weight:400}
thead th{vertical-align:bottom;font-size:.86rem;line-height:1.3;border-bottom:1.5px solid var(--ink)}
thead tr.groups th{border-bottom:0;color:var(--muted);font-weight:400;padding-bottom:.1rem}
td.n,th.n{text-align:right;padding-right:.6rem;padding-left:.6rem;white-space:nowrap}
td.n:last-child,th.n:last-child{padding-right:0}
td.n+td:not(.n){padding-left:1.2rem}
thead th.n+th:not(.n){padding-left:1.2rem}
thead td.blank{border-bottom:0}
thead th.n{white-space:normal}
.first{border-left:1px solid var(--rule)}
tr.sum th,tr.sum td{font-weight:700;border-top:1.5px solid var(--ink)}
tr.mid th,tr.mid td{font-weight:600}
tr.part th{padding-top:1.2rem;font-weight:600;color:var(--muted);font-size:.86rem}
td.none{color:var(--muted);font-style:italic;white-space:normal}
.dot{display:inline-block;width:.66em;height:.66em;border-radius:50%;margin-right:.35em;background:var(--faint)}
.dot.smart{background:var(--smart)} .dot.bidirectional{background:var(--bidirectional)}
.dot.uncontrolled{background:var(--uncontrolled)}
.dot.bound{background:transparent;border:2px solid var(--faint)}
.dot.bound.smart{border-color:var(--smart)} .dot.bound.bidirectional{border-color:var(--bidirectional)}
.long th:first-child{position:sticky;left:0;background:var(--page);z-index:1}
figure,.block{margin:3rem 0 0}
figcaption p{font-size:.94rem;color:var(--muted);line-height:1.5}
.plot{width:100%;margin-top:.7rem;touch-action:pan-y}
figcaption p.note{margin-top:.35rem}
figure details{margin-top:.3rem}
figure details p{font-size:.94rem;color:var(--muted)}
.ranges{display:flex;flex-wrap:wrap;gap:.4rem;margin-top:.8rem}
button{font:500 .86rem/1.2 var(--sans);color:var(--ink);background:var(--sunk);border:1px solid var(--rule);
 border-radius:999px;
 padding:.45rem .85rem;cursor:pointer}
button:hover{border-color:var(--muted)}
button[aria-pressed=true]{background:var(--ink);color:var(--page);border-color:var(--ink)}
.keys{display:flex;flex-wrap:wrap;gap:.1rem .3rem;margin-top:.7rem;margin-left:-.5rem}
.keys button{background:none;border-color:transparent;padding:.3rem .5rem;
 display:inline-flex;align-items:center;
 gap:.45em;text-align:left}
.keys button:hover{border-color:var(--rule)}
.keys button[aria-pressed=true]{background:none;color:var(--ink);border-color:transparent}
.keys button[aria-pressed=false]{color:var(--muted);opacity:.75}
.keys i{display:inline-block;width:1.5em;border-top:3px solid var(--c);flex:none}
.keys i.s-dot{border-top-style:dotted} .keys i.s-dash{border-top-style:dashed}
.keys i.s-mark{width:.8em;height:.8em;border:0;border-radius:50%;background:var(--c)}
.keys button[aria-pressed=false] i{opacity:.5}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:0 2.2rem}
.pair figure{min-width:0;margin-top:1.6rem}
.pair h4{font:600 1rem/1.35 var(--sans)}
h4{font:600 1rem/1.35 var(--sans);margin:0}
details{margin-top:1rem}
summary{cursor:pointer;font-size:.94rem;color:var(--muted)}
.two{margin-top:1.2rem;display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,22rem),1fr));gap:0 2.5rem}
footer{margin:5rem 0 0;padding:1.3rem 0 3rem;border-top:1px solid var(--rule);font-size:.88rem;color:var(--muted)}
noscript p{border-left:3px solid var(--bidirectional);padding-left:.8rem}
.modebar-btn svg{overflow:visible}
@media (max-width:46rem){
 body{font-size:1rem}
 section{margin-top:3.2rem}
 .stats{grid-template-columns:1fr 1fr}
 .pays{margin-top:1.2rem;color:var(--muted);font-size:.98rem}
.stats dt{min-height:0}
 .lede{font-size:1.08rem}
 table{font-size:.88rem}
 .long th:first-child{min-width:8.2rem;max-width:9.5rem;padding-right:.5rem}
 .long td:not(.n):not(.none):last-child{min-width:11rem}
 .scroll{margin-right:-1.25rem;padding-right:1.25rem}
}
@media print{
 *{print-color-adjust:exact;-webkit-print-color-adjust:exact}
 @page{margin:14mm}
 html{font-size:10pt}
 .wrap{max-width:none;padding:0}
 nav,.ranges,figure details,.keys button[aria-pressed=false],.modebar-container,.skip{display:none!important}
 figure,tr,.answer{break-inside:avoid}
 figcaption,h2,h3,caption{break-after:avoid}
 section{margin-top:2.4rem}
 .pair{grid-template-columns:1fr 1fr;gap:0 1rem}
 .scroll{overflow:visible}
 table{font-size:8.5pt}
 .long th:first-child{position:static;min-width:10rem}
 .long td.n,.long th.n{padding-left:.3rem;padding-right:.3rem}
 a{text-decoration:none}
}
"""

_FONTS = (
    "--sans:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue','Liberation Sans',Arial,sans-serif;"
    "--serif:'Iowan Old Style','Charter','Bitstream Charter','Source Serif 4',Georgia,'Liberation Serif',serif;"
    "--mono:ui-monospace,'SF Mono',Menlo,Consolas,'Liberation Mono',monospace;"
)
_LIGHT_ONLY = "--page:#ffffff;--sunk:#f3f4f5;--rule:#dde0e3;"
_DARK_ONLY = "--page:#15181c;--sunk:#20242a;--rule:#343a42;"


def style_sheet() -> str:
    """The whole style sheet with the palette as custom properties."""
    light = "".join(f"--{name}:{value};" for name, value in LIGHT.items())
    dark = "".join(f"--{name}:{value};" for name, value in DARK.items())
    return (
        f":root{{color-scheme:light dark;{_FONTS}{light}{_LIGHT_ONLY}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{dark}{_DARK_ONLY}}}}}{_RULES}"
    )
