// The page of comparisons: what is in the address, its files, and tables of what differs.
"use strict";

const loaded = new Map(), waiting = new Map();
let index = null;
const PLAIN = /^[A-Za-z0-9_][\w.-]{0,199}$/;
const byId = (id) => document.getElementById(id);

// Files of this site call these two.
window.slmFile = (file) => { loaded.set(file.key, file); };
window.slmIndex = (models) => { index = models; };

function make(tag, text = "", attributes = {}) {
  const node = document.createElement(tag);
  node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}
function draw(tag, attributes, ...inside) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...inside);
  return node;
}
function fetched(path) { // a script of this site: nothing else can be read where pages are files
  if (!waiting.has(path)) {
    waiting.set(path, new Promise((done) => {
      const script = make("script", "", { src: path });
      script.onload = script.onerror = done;
      document.head.append(script);
    }));
  }
  return waiting.get(path);
}
const number = (value, places = 0) => value.toFixed(places).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
function signed(share) {
  const text = number(Math.abs(100 * share), 1);
  return Number(text) === 0 ? text : (share < 0 ? "−" : "+") + text;
}

function wanted() {
  const given = new URLSearchParams(location.hash.length > 1 ? location.hash.slice(1) : location.search);
  const keys = (given.get("m") || "").split(",").filter((key) => {
    const parts = key.split("@");
    return parts.length === 2 && parts.every((part) => PLAIN.test(part) && !part.includes(".."));
  });
  const margin = Number(given.get("margin") ?? 3);
  return { keys: [...new Set(keys)].slice(0, MOST), margin: margin >= 0 && margin < 100 ? margin : 3 };
}
function go(keys, margin) { location.hash = `m=${keys.join(",")}&margin=${margin}`; }

function plot(pairs, scale, margin, text) {
  const at = (value) => `${Math.min(100, Math.max(0, 50 + (50 * value) / scale)).toFixed(2)}%`;
  const [low, high] = pairs.interval.map(at), middle = { y1: 11, y2: 11 };
  const svg = draw("svg", { class: "plot", role: "img", height: 22, width: "100%" });
  const title = draw("title", {});
  title.textContent = text;
  svg.append(title,
    draw("rect", { class: "band", x: at(-margin), width: `${((100 * Math.min(margin, scale)) / scale).toFixed(2)}%`, y: 0, height: 22 }),
    draw("line", { class: "zero", x1: "50%", x2: "50%", y1: 0, y2: 22 }),
    draw("line", { class: "whisker", x1: low, x2: high, ...middle }),
    draw("circle", { class: "dot", cx: at(pairs.mean), cy: 11, r: 5 }));
  return svg;
}

function namesOf(questions) {
  return questions.ids.flatMap(([name, first, count]) => count ? Array.from({ length: count }, (_, place) => name + (first + place)) : [name]);
}
function countsIn({ onlyA, onlyB, lower, higher }) {
  const graded = lower + higher ? `${number(lower)} scored lower, ${number(higher)} higher` : "";
  return [graded && !(onlyA + onlyB) ? "" : `${number(onlyA)} lost, ${number(onlyB)} gained`, graded].filter(Boolean).join("; ");
}
function changes({ pairs, counts: told }) { // the questions that only one of both got right, or more of it
  const names = namesOf(pairs.questions), details = make("details", "", { class: "more" });
  const [less, more] = pairs.graded ? ["scored lower", "scored higher"] : ["lost", "gained"];
  details.append(make("summary", countsIn(told)));
  details.addEventListener("toggle", () => {
    if (details.childElementCount > 1) return;
    for (const [word, is] of [[less, (one) => one < 0], [more, (one) => one > 0]]) {
      const ids = pairs.places.filter((_, place) => is(pairs.differences[place])).map((place) => names[place]);
      details.append(make("p", `${word}: ${ids.slice(0, 500).join(", ") || "none"}${ids.length > 500 ? ", …" : ""}`, { class: "flips" }));
    }
  });
  return details;
}

function chanceOf(p) {
  return `p\u00a0${p < 0.0001 ? "<\u00a0.0001" : `=\u00a0${p > 0.9999 ? "1" : p.toFixed(4).slice(1)}`}`;
}

function table(caption, head, rows, margin, extra) {
  const node = make("table", "", { class: "forest" }), body = make("tbody"), line = make("tr"), top = make("thead");
  const bounds = rows.flatMap(({ pairs }) => pairs.interval).map(Math.abs).sort((a, b) => a - b);
  const reach = bounds[Math.floor(0.9 * (bounds.length - 1))], scale = [0.05, 0.1, 0.2, 0.3, 0.5, 1].find((one) => reach <= one) || 1;
  const titled = make("caption");
  titled.append(make("b", caption));
  for (const [text, kind] of [[head, ""], ["Points", "num"], ["95 % interval", "interval"], ["", "track"], ["Verdict", ""], ["Questions", "num"]]) {
    line.append(make("th", text, { scope: "col", class: kind }));
  }
  const ruler = make("span", "", { class: "scale" });
  for (const place of [-1, -0.5, 0, 0.5, 1]) ruler.append(make("i", signed(place * scale).replace(".0", "")));
  line.children[3].append(ruler);
  top.append(line);
  for (const row of rows) {
    const { pairs, verdict, detectable } = row, tr = make("tr");
    const span = pairs.interval.map(signed).join(" to "), points = `${number(100 * margin, 1).replace(".0", "")} points`;
    const word = verdict === "equivalent" ? `equivalent within ${points}` : verdict;
    const notes = [verdict === "not told apart" ? `detects ${number(100 * detectable)} points or more (80\u00a0% power)` : verdict === "too few" ? "no difference would have shown" : "",
      row.note, row.tasks < row.of ? `${row.tasks} of ${row.of} tasks` : "", chanceOf(row.p)].filter(Boolean);
    const track = make("td", "", { class: "track" }), said = make("td", "", { class: "said" }), n = make("td", number(pairs.n), { class: "num" });
    const kind = { better: "good", equivalent: "good", worse: "bad" }[verdict];
    track.append(plot(pairs, scale, margin, `${row.name}: ${signed(pairs.mean)} points, 95 % interval ${span}, ${word}`));
    said.append(make("span", word, { class: kind ? `chip ${kind}` : "" }), make("small", notes.join("; ")));
    if (extra) n.append(extra(row)); else n.append(make("small", countsIn(row.counts)));
    tr.append(make("th", row.name, { scope: "row" }), make("td", signed(pairs.mean), { class: "num big" }), make("td", span, { class: "interval" }), track, said, n);
    body.append(tr);
  }
  node.append(titled, top, body);
  const sheet = make("div", "", { class: "sheet" });
  sheet.append(node);
  return sheet;
}

function labelsOf(files) { // of what was timed at several lengths the first that all have; all of them where there is none
  const labels = files.flatMap((file) => file.facts.map(([label, , kind]) => [label, kind])), known = new Map(labels);
  const common = [...known].filter(([label]) => files.every((file) => file.facts.some(([one]) => one === label)));
  return [...known].filter(([label, kind]) => {
    const first = kind && common.find(([, one]) => one === kind);
    return !first || first[0] === label;
  }).map(([label]) => label);
}

function facts(files) {
  const sheet = make("div", "", { class: "sheet" }), node = make("table", "", { class: "matrix" }), head = make("tr"), top = make("thead"), body = make("tbody");
  node.append(make("caption", "The files", { class: "hidden" }));
  head.append(make("th", "Measured", { scope: "col" }));
  for (const file of files) {
    const name = make("th", "", { scope: "col", class: "num" });
    name.append(make("a", file.title, { href: file.href }));
    head.append(name);
  }
  top.append(head);
  for (const label of labelsOf(files)) {
    const tr = make("tr");
    tr.append(make("th", label, { scope: "row" }));
    for (const file of files) {
      const cell = make("td", "", { class: "num" });
      cell.append(make("span", file.title, { class: "key" }), (file.facts.find(([one]) => one === label) || ["", "not measured"])[1]);
      tr.append(cell);
    }
    body.append(tr);
  }
  node.append(top, body);
  sheet.append(node);
  return sheet;
}

let turn = 0;
async function show() {
  const mine = ++turn, { keys, margin } = wanted(), out = byId("out");
  await Promise.all(keys.map((key) => fetched(`compare/${key.split("@").join("/")}.js`)));
  if (mine !== turn) return; // another address has come meanwhile
  const files = keys.map((key) => loaded.get(key)).filter(Boolean), missing = keys.filter((key) => !loaded.has(key));
  const chosen = byId("chosen");
  chosen.replaceChildren(...keys.map((key, place) => {
    const button = make("button", "", { type: "button", class: "chip" });
    button.append(make("span", "Remove ", { class: "hidden" }), `${place ? "" : "Baseline: "}${loaded.get(key)?.title || key}`, make("span", " ✕", { "aria-hidden": "true" }));
    button.addEventListener("click", () => go(keys.filter((one) => one !== key), margin));
    return button;
  }));
  byId("margin").value = String(margin);
  byId("add").disabled = keys.length >= MOST;
  out.replaceChildren(...missing.map((key) => make("p", `There is no file ${key} here.`, { class: "caution" })));
  if (files.length < 2) {
    out.append(make("p", files.length ? "Choose another file to compare it with." : "Choose two files, up to four. All are compared with the first one.", { class: "lead" }));
    if (files.length) out.append(facts(files));
    return;
  }
  const [a, ...others] = files, found = others.map((b) => compared(a, b));
  out.append(facts(files));
  others.forEach((b, place) => {
    const { items, absent } = found[place], section = make("section");
    section.append(make("h2", `${b.title} against ${a.title}`));
    // Which other files are shown says nothing about these two: each pair is corrected by itself.
    const rows = [...judged(found[place].all, margin / 100), ...judged(found[place].cases, margin / 100)];
    const modes = [a, b].map((file) => file.mode);
    if (modes.some((mode) => mode !== "full")) section.append(make("p", modes[0] === modes[1] ? `Both were measured in ${modes[0]} mode.` : `${a.title} was measured in ${modes[0]} mode, ${b.title} in ${modes[1]} mode.`, { class: "lead" }));
    if (a.lost_before) section.append(make("p", a.lost_before, { class: "lead" }));
    if (rows.length) section.append(table("Use cases", "Use case", rows, margin / 100, null));
    if (items.length) section.append(table("Task by task", "Item", judged(items, margin / 100), margin / 100, changes));
    else section.append(make("p", "There is no question that both have a score for.", { class: "lead" }));
    if (absent.length) {
      const rest = make("details", "", { class: "more" }), list = make("ul");
      list.append(...absent.map((line) => make("li", line)));
      rest.append(make("summary", `${absent.length} item${absent.length === 1 ? " was" : "s were"} not compared`), list);
      section.append(rest);
    }
    out.append(section);
  });
}

async function offer() { // the list of all files is read when somebody looks for one
  await fetched("compare/index.js");
  if (index && !byId("files").childElementCount) {
    byId("files").append(...index.flatMap(([id, name, kinds]) => kinds.map(([key, kind]) => make("option", `${name} ${kind}`, { value: `${id}@${key}` }))));
  }
}

byId("tools").hidden = false;
byId("add").addEventListener("focus", offer);
byId("tools").addEventListener("submit", (event) => {
  event.preventDefault();
  const { keys, margin } = wanted(), key = byId("add").value.trim();
  if (key && !keys.includes(key)) go([...keys, key], margin);
  byId("add").value = "";
});
byId("margin").addEventListener("change", () => go(wanted().keys, Number(byId("margin").value)));
addEventListener("hashchange", show);
show();
