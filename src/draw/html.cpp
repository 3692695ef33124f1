// SPDX-License-Identifier: MIT
#include <algorithm>
#include <string>
#include <string_view>

#include "draw/model.hpp"
#include "draw/svg.hpp"
#include "draw/text.hpp"

namespace hypernodes::draw {
namespace {

constexpr const char* kStyle = R"css(
html, body { margin: 0; height: 100%; overflow: hidden; }
body { background: var(--background); color: var(--text); font: 14px var(--font), sans-serif;
  display: flex; flex-direction: column; }
header { display: flex; align-items: center; gap: 8px; padding: 10px 16px; }
h1 { font-size: 15px; margin: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
header span { color: var(--muted); font-size: 12px; }
header i { flex: 1; }
button { font: inherit; color: inherit; min-width: 30px; height: 28px; padding: 0 9px;
  border: 1px solid var(--line); border-radius: 7px; background: transparent; cursor: pointer; }
button:hover:enabled { border-color: var(--highlight); color: var(--highlight); }
button:disabled { opacity: .35; cursor: default; }
main { flex: 1; min-height: 0; cursor: grab; }
main.dragging { cursor: grabbing; }
svg { width: 100%; height: 100%; display: block; user-select: none; }
svg[hidden] { display: none; }
svg .background { display: none; }
.pipeline { cursor: pointer; }
.edge, .box { transition: opacity .12s; }
.lit .edge:not(.on), .lit .box:not(.on) { opacity: .3; }
.edge.on path { stroke: var(--highlight); }
.edge.on .head { stroke: none; fill: var(--highlight); }
#tip { position: fixed; display: none; max-width: 420px; padding: 8px 11px; border-radius: 8px;
  background: var(--text); color: var(--background); font-size: 12px; line-height: 1.5;
  white-space: pre-wrap; overflow-wrap: anywhere; pointer-events: none;
  box-shadow: 0 4px 16px #0003; }
#tip::first-line { font-weight: 600; }
)css";

// View boxes of the drawings are the view: panning and zooming change them.
constexpr const char* kScript = R"js(
"use strict";
const main = document.querySelector("main"), tip = document.getElementById("tip");
const drawings = [...main.querySelectorAll("svg")];
const home = new Map(drawings.map(d => [d, d.getAttribute("viewBox").split(" ").map(Number)]));
const button = name => document.getElementById(name);
let shown = drawings.find(d => !d.hasAttribute("hidden")), view = null, drag = null;

function fit() {
  const [, , w, h] = home.get(shown), room = main.getBoundingClientRect();
  // At most its natural size, in the middle.
  const scale = Math.max(w / room.width, h / room.height, 1);
  view = { x: (w - room.width * scale) / 2, y: Math.min(0, (h - room.height * scale) / 2), scale };
  if (h < room.height * scale) view.y = (h - room.height * scale) / 4;
  look();
}
function look() {
  const room = main.getBoundingClientRect();
  shown.setAttribute("viewBox",
    [view.x, view.y, room.width * view.scale, room.height * view.scale].join(" "));
}
function zoom(factor, clientX, clientY) {
  const room = main.getBoundingClientRect();
  const scale = Math.min(40, Math.max(0.05, view.scale * factor));
  view.x += (clientX - room.left) * (view.scale - scale);
  view.y += (clientY - room.top) * (view.scale - scale);
  view.scale = scale;
  look();
}
function zoomMiddle(factor) {
  const room = main.getBoundingClientRect();
  zoom(factor, room.left + room.width / 2, room.top + room.height / 2);
}
function show(index) {
  const next = drawings[Math.min(Math.max(index, 0), drawings.length - 1)];
  for (const d of drawings) d.toggleAttribute("hidden", d !== next);
  shown = next;
  const at = drawings.indexOf(next);
  if (drawings.length > 1) {
    button("less").disabled = at === 0;
    button("more").disabled = at === drawings.length - 1;
    button("depth").textContent = "depth " + next.dataset.depth;
  }
  unlight();
  fit();
}

// The edges at a box, followed through the ports of open pipelines to boxes.
function lit(box) {
  const all = [...shown.querySelectorAll(".edge")], on = new Set();
  const follow = (id, here, there) => {
    for (const edge of all) {
      if (edge.dataset[here] !== id || on.has(edge)) continue;
      on.add(edge);
      const end = shown.querySelector(`.box[data-box="${edge.dataset[there]}"]`);
      if (end) on.add(end); else follow(edge.dataset[there], here, there);
    }
  };
  on.add(box);
  follow(box.dataset.box, "from", "to");
  follow(box.dataset.box, "to", "from");
  for (const each of on) each.classList.add("on");
  shown.classList.add("lit");
}
function unlight() {
  for (const each of main.querySelectorAll(".on")) each.classList.remove("on");
  for (const d of drawings) d.classList.remove("lit");
  tip.style.display = "none";
}

// The tooltips are the page's instead of the browser's.
for (const title of main.querySelectorAll("title")) {
  title.parentNode.dataset.tip = title.textContent;
  title.remove();
}
main.addEventListener("pointerover", event => {
  if (drag) return;
  unlight();
  const box = event.target.closest(".box");
  if (box) lit(box);
});
main.addEventListener("pointerleave", unlight);
main.addEventListener("pointerdown", event => {
  drag = { x: event.clientX, y: event.clientY, left: view.x, top: view.y, moved: false };
});
addEventListener("pointermove", event => {
  if (drag) {
    const dx = event.clientX - drag.x, dy = event.clientY - drag.y;
    if (Math.abs(dx) + Math.abs(dy) > 4) drag.moved = true;
    if (!drag.moved) return;
    tip.style.display = "none";
    main.classList.add("dragging");
    view.x = drag.left - dx * view.scale;
    view.y = drag.top - dy * view.scale;
    return look();
  }
  const told = main.contains(event.target) && event.target.closest("[data-tip]");
  tip.style.display = told ? "block" : "none";
  if (!told) return;
  tip.textContent = told.dataset.tip;
  const size = tip.getBoundingClientRect();
  tip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - size.width - 8)) + "px";
  tip.style.top = Math.max(4, Math.min(event.clientY + 16, innerHeight - size.height - 8)) + "px";
});
addEventListener("pointerup", event => {
  const click = drag && !drag.moved;
  drag = null;
  main.classList.remove("dragging");
  const pipeline = click && main.contains(event.target) && event.target.closest(".pipeline");
  if (!pipeline) return;
  const depth = Number(pipeline.closest("[data-level]").dataset.level);
  const index = drawings.findIndex(d => Number(d.dataset.depth) === depth);
  if (index >= 0) show(index);
});
main.addEventListener("wheel", event => {
  event.preventDefault();
  zoom(Math.exp(event.deltaY * 0.0015), event.clientX, event.clientY);
}, { passive: false });
main.addEventListener("dblclick", event => { if (!event.target.closest(".pipeline")) fit(); });
addEventListener("resize", fit);
button("in").onclick = () => zoomMiddle(0.8);
button("out").onclick = () => zoomMiddle(1.25);
button("fit").onclick = fit;
if (drawings.length > 1) {
  button("less").onclick = () => show(drawings.indexOf(shown) - 1);
  button("more").onclick = () => show(drawings.indexOf(shown) + 1);
}
show(drawings.indexOf(shown));
)js";

/// The theme as CSS variables in an attribute. What could end a value is taken out.
std::string variables(const DrawTheme& theme) {
  std::string out;
  const auto set = [&](const char* name, std::string value) {
    std::erase_if(value, [](char byte) {
      return std::string_view(";{}").find(byte) != std::string_view::npos;
    });
    out += std::string("--") + name + ": " + value + "; ";
  };
  set("background", theme.background);
  set("text", theme.text);
  set("muted", theme.muted);
  set("line", theme.input_border);
  set("highlight", theme.highlight);
  set("font", theme.font);
  return out;
}

}  // namespace

std::string draw_html(const Subject& subject, const DrawOptions& options) {
  // One drawing for each depth that is not too large, and the one asked for.
  constexpr std::size_t kMostBoxes = 2000;
  const int most = options.flatten ? 1 : levels(subject.graph, kMostBoxes);
  const int shown = std::min(options.depth.value_or(most), most);
  const Drawing drawing = make_drawing(subject, options);
  DrawOptions other = options;
  std::string drawings;
  for (int depth = 1; depth <= most; ++depth) {
    const std::string attribute = " data-depth=\"" + std::to_string(depth) + '"';
    other.depth = depth;
    drawings += depth == shown ? svg_element(drawing, options, false, attribute)
                               : svg_element(make_drawing(subject, other), other, false,
                                             attribute + " hidden=\"\"");
  }

  const std::string title = drawing.title.empty() ? "pipeline" : drawing.title;
  std::string page = R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>)" + markup(title) +
                     "</title>\n<style>" + kStyle + "</style>\n</head>\n<body style=\"" +
                     markup(variables(options.theme)) + "\">\n<header><h1>" + markup(title) +
                     "</h1>";
  for (const std::string& badge : drawing.badges) page += "<span>" + markup(badge) + "</span>";
  page += "<i></i>";
  if (most > 1) {
    page +=
        R"(<button id="less" title="close nested pipelines">&#8722;</button><span id="depth"></span>)"
        R"(<button id="more" title="open nested pipelines">+</button><i></i>)";
  }
  page += R"(<button id="out" title="smaller">&#8722;</button>)"
          R"(<button id="fit" title="all of it">fit</button>)"
          R"(<button id="in" title="larger">+</button></header>)"
          "\n<main>\n" +
          drawings + "</main>\n<div id=\"tip\"></div>\n<script>" + kScript +
          "</script>\n</body>\n</html>\n";
  return page;
}

}  // namespace hypernodes::draw
