// The chooser of the home page: filters, order, columns and pages of the table, all of it in the address. Without this
// script the table is complete, in pages. All text is set as text: names come from whoever sent a report.
"use strict";

(() => {
  const form = document.getElementById("chooser");
  if (!form || typeof slm === "undefined") return;
  const $ = (id) => document.getElementById(id);
  const PAGE = 50;
  const ROW = 44; // pixels, the least that a row is high
  const SETTLED = 150; // ms after the last letter until the address has it
  const NEAR = 5;
  const MOST = 4; // files that are compared at once
  const PLOTTED = 300;
  const NBSP = "\u00a0";
  const MISSING = "–";
  const size = slm.model.length;
  const columns = new Map(
    Array.from(document.querySelectorAll("#columns input"), (box) => [box.value, { ...slm.columns[box.value], ...box.dataset, label: box.parentNode.textContent.trim() }])
  );
  const first = Array.from(document.querySelectorAll("#columns input:checked"), (box) => box.value);
  // All that is searched, in small letters: a letter that is typed costs a look at one text for each row.
  const haystacks = slm.names.map((name, model) => `${name} ${slm.ids[model]} ${slm.search[model]}`.toLowerCase());
  const searched = slm.model.map((model, row) => `${haystacks[model]} ${slm.quantizationWords[slm.quantization[row]].toLowerCase()}`);
  const fields = ["use", "device", "gb", "tps", "ctx", "license", "machine", "q"].filter($);
  const plot = $("scatter");

  // -- numbers, written as the pages are ---------------------------------------------------------------------------
  const number = (value, places = 0) => {
    const [whole, rest] = value.toFixed(places).split(".");
    return whole.replace(/\B(?=(\d{3})+$)/g, "\u202f") + (rest ? `.${rest}` : "");
  };
  const bytes = (count) => {
    for (const [unit, factor] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
      if (count >= factor) return number(count / factor, unit === "GB" ? 2 : 0) + NBSP + unit;
    }
    return `${count}${NBSP}bytes`;
  };
  const parameters = (count) => {
    if (count >= 1e9) return `${Number((count / 1e9).toPrecision(3))}${NBSP}B`;
    return count >= 1e6 ? `${number(count / 1e6)}${NBSP}M` : number(count);
  };
  const plain = (column, row) => {
    const value = column.values[column.model ? slm.model[row] : row];
    return column.valuesWords ? column.valuesWords[value] || null : value;
  };
  const written = (column, value) => {
    if (value === null) return MISSING;
    if (column.form === "kB") return bytes(value * 1e3);
    if (column.form === "count") return number(value);
    if (column.form === "parameters") return parameters(value);
    if (column.form !== "quantity") return value;
    const [whole, rest] = value.split(".");
    return number(Number(whole)) + (rest ? `.${rest}` : "") + NBSP + column.unit;
  };
  const noteOf = (column, row) => (column.notesWords ? column.notesWords[column.notes[row]] : "");
  const points = ({ score, low, high, whole }, row) => {
    const text = (tenths) => (tenths / 10).toFixed(whole[row] ? 0 : 1);
    return [text(score[row]), low[row] === null ? "" : `${text(low[row])}–${text(high[row])}`];
  };

  // -- the address -------------------------------------------------------------------------------------------------
  let state = {};
  const scale = () => Math.max(0, slm.scales.indexOf(state.use));
  const scores = () => slm.scores[scale()];

  const valueOf = (field) => (field.tagName === "SELECT" ? field.value : field.value.trim()); // options are as they are

  function read() {
    const found = new URLSearchParams(location.hash.slice(1));
    state = { sort: found.get("sort") || "score", page: Math.max(1, parseInt(found.get("page"), 10) || 1) };
    for (const id of fields) {
      const asked = found.get(id) || (id === "use" ? slm.scales[0] : "");
      $(id).value = $(id).type !== "number" || Number.isFinite(Number(asked)) ? asked : "";
      if ($(id).selectedIndex === -1) $(id).value = id === "use" ? slm.scales[0] : ""; // an option that is not there
      state[id] = valueOf($(id));
    }
    const asked = found.get("cols");
    state.cols = asked === null ? first : asked.split(",").filter((key) => columns.has(key));
    for (const box of document.querySelectorAll("#columns input")) box.checked = state.cols.includes(box.value);
    const key = state.sort.replace("-", "");
    if (!["score", "name"].includes(key) && !columns.has(key)) state.sort = "score";
    plot.open = found.has("plot");
    state.pick = [...new Set((found.get("pick") || "").split(","))].filter((key) => rowOf.has(key)).slice(0, MOST);
  }

  function address(changed = {}) {
    const now = { ...state, ...changed };
    const found = new URLSearchParams();
    for (const id of fields) if (now[id] && !(id === "use" && now[id] === slm.scales[0])) found.set(id, now[id]);
    if (now.sort !== "score") found.set("sort", now.sort);
    if (now.cols.join() !== first.join()) found.set("cols", now.cols.join());
    if (plot.open) found.set("plot", "1");
    if (now.pick.length) found.set("pick", now.pick.join());
    if (now.page > 1) found.set("page", now.page);
    return `#${found}`;
  }

  const afterPicture = (work) => requestAnimationFrame(() => setTimeout(work));
  let typed = null; // letters that are typed into one field are one step of the history
  let settling = 0; // what writes them into the address when nothing more is typed
  let stepping = false; // a step is due: it takes a browser as long as the rest of a click, and so follows the picture
  function settle() {
    const step = stepping ? "pushState" : "replaceState";
    clearTimeout(settling);
    settling = 0;
    stepping = false;
    if (address() !== (location.hash || "#")) history[step](null, "", address());
  }
  function go(changed, field = null) {
    const same = field !== null && field === typed;
    if (!same && (settling || stepping)) settle();
    Object.assign(state, { page: 1 }, changed);
    typed = field;
    if (same) {
      clearTimeout(settling);
      settling = setTimeout(settle, SETTLED);
    } else {
      stepping = true;
      afterPicture(() => stepping && settle());
    }
    update();
  }

  // -- what is asked for -------------------------------------------------------------------------------------------
  const asked = (id) => {
    const value = Number(state[id]);
    return state[id] && value > 0 ? value : null;
  };
  const option = (id) => $(id).selectedOptions[0];

  // Each condition tells of a row: null if it is met, else how far it is missed (of 1) and how; NaN if nobody knows.
  function conditions() {
    const found = [];
    const peak = columns.get("peak");
    const memory = (chip, usable, key) =>
      found.push({ chip, key, miss: (row) => {
        const needs = plain(peak, row);
        if (!slm.fits[row] || needs === null) return [NaN];
        const over = needs * 1e3 - usable;
        return over <= 0 ? null : [over / usable, `needs ${bytes(needs * 1e3)} of memory, ${bytes(over)} more than there is`];
      } });
    if (state.device) memory(`fits ${option("device").textContent}`, Number(option("device").dataset.usable), "device");
    if (asked("gb")) memory(`at most ${state.gb} GB of memory`, asked("gb") * 1e9, "gb");
    if (scale()) found.push({ chip: option("use").textContent, key: "use", miss: (row) => (scores().score[row] === null ? [NaN] : null) });
    const least = (id, column, chip, told) => {
      if (asked(id) === null) return;
      found.push({ chip, key: id, miss: (row) => {
        const value = plain(column, row);
        if (value === null) return [NaN];
        return Number(value) >= asked(id) ? null : [1 - Number(value) / asked(id), told(written(column, value))];
      } });
    };
    least("tps", columns.get("tps"), `at least ${state.tps} tok/s`, (text) => `writes ${text}`);
    least("ctx", columns.get("ctx"), `context of ${state.ctx}`, (text) => `has a context of ${text} tokens`);
    const same = (id, column, told) => {
      if (!state[id]) return;
      found.push({ chip: `${id} ${state[id]}`, key: id, miss: (row) => {
        const value = plain(column, row);
        return value === state[id] ? null : [value === null ? NaN : 1, told(value)];
      } });
    };
    same("license", columns.get("license"), (text) => `has the license ${text}`);
    same("machine", { values: slm.machine, valuesWords: slm.machineWords }, (text) => `was measured on ${text}`);
    return found;
  }

  // Rows that meet everything, in their order; near misses of one condition; and how many fail only for want of a number.
  function choose() {
    const needed = conditions();
    const words = (state.q || "").toLowerCase().split(/\s+/).filter(Boolean);
    const fit = [];
    const near = [];
    let unknown = 0;
    for (const row of ordered()) {
      if (!words.every((word) => searched[row].includes(word))) continue;
      let [missed, reasons, known] = [0, null, false];
      for (const one of needed) {
        const miss = one.miss(row);
        if (!miss) continue;
        missed++;
        reasons = miss;
        known ||= !Number.isNaN(miss[0]);
      }
      if (!missed) fit.push(row);
      else if (!known) unknown++;
      else if (missed === 1) near.push([row, ...reasons]);
    }
    near.sort((one, two) => one[1] - two[1] || one[0] - two[0]);
    return { needed, fit, near: near.slice(0, NEAR), unknown };
  }

  // Numbers that depend on machine and engine are in one order within one machine and engine only.
  const local = () => columns.get(state.sort.replace("-", ""))?.local === "1";
  const orders = new Map(); // all rows as they were ordered before: only what is new is sorted
  function ordered() {
    const wanted = state.sort.endsWith("score") ? `${state.sort} ${scale()}` : state.sort;
    if (!orders.has(wanted)) orders.set(wanted, order());
    return orders.get(wanted);
  }
  // What is compared is one number or text for each row, made before: there are ten comparisons for each of them.
  function order() {
    const key = state.sort.replace("-", "");
    const sign = state.sort.startsWith("-") ? -1 : 1;
    const rows = Array.from({ length: size }, (_, row) => row);
    if (key === "score") {
      const { group, order } = scores(); // as the page has them: tenths are not enough for it
      const values = rows.map((row) => sign * (order ? order[row] : row));
      return rows.sort((a, b) => group[a] - group[b] || values[a] - values[b]);
    }
    if (key === "name") {
      const names = rows.map((row) => haystacks[slm.model[row]]); // begins with it
      return rows.sort((a, b) => (names[a] === names[b] ? a - b : names[a] < names[b] ? -sign : sign));
    }
    const column = columns.get(key);
    const text = column.form === "text" && key !== "bits";
    const direction = text || column.rising === "1" ? sign : -sign;
    const ranks = text ? new Map([...column.valuesWords].sort((a, b) => a.localeCompare(b)).map((word, rank) => [word, rank])) : null;
    const where = local() ? slm.place : new Uint8Array(size);
    const apart = column.apart || new Uint8Array(size); // numbers of other lengths
    const values = rows.map((row) => {
      const value = plain(column, row);
      return value === null ? Infinity : direction * (text ? ranks.get(value) : Number(value)); // what is not known stands last
    });
    return rows.sort((a, b) => where[a] - where[b] || apart[a] - apart[b] || values[a] - values[b] || a - b);
  }

  // -- the table ---------------------------------------------------------------------------------------------------
  function make(tag, attributes = {}, ...children) {
    const svg = ["svg", "line", "circle", "title", "text", "g"].includes(tag);
    const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children.filter((child) => child !== ""));
    return node;
  }
  const nameOf = (row) => `${slm.names[slm.model[row]]} ${quantizationOf(row)}`;
  const link = (row) => make("a", { href: `models/${encodeURIComponent(slm.ids[slm.model[row]])}.html` }, slm.names[slm.model[row]]);
  const quantizationOf = (row) => slm.quantizationWords[slm.quantization[row]];
  const keyOf = (row) => `${slm.ids[slm.model[row]]}@${slm.keys[slm.quantization[row]]}`;
  const rowOf = new Map(); // of all files that can be compared
  for (let row = size - 1; row >= 0; row--) if (slm.pairs[row]) rowOf.set(keyOf(row), row);

  // A row is made once and then written anew: only texts and attributes that change are touched. What a row of the page
  // itself shows at first stands as it is until something else has to stand there.
  const drawing = () => {
    const [chance, whisker, dot] = [make("line", { class: "chance", y1: 1, y2: 19 }), make("line", { class: "whisker", y1: 10, y2: 10 }), make("circle", { class: "dot", cy: 10, r: 5 })];
    return make("svg", { class: "plot dots", role: "img", height: 20, width: "100%" }, make("title"), chance, whisker, dot);
  };
  const texted = (tag, attributes) => make(tag, attributes, document.createTextNode(""));
  function pattern(cols) {
    const cells = cols.map((key) => {
      const column = columns.get(key);
      const value = column.form === "text" ? texted("span", { class: "clip" }) : document.createTextNode("\u00a0");
      return make("td", { role: "cell", class: column.form === "text" ? "words" : "num" }, make("span", { class: "key" }, `${column.label} `), value, texted("small"));
    });
    return make("tr", { role: "row" },
      make("th", { role: "rowheader", scope: "row", class: "file" },
        make("label", { class: "pick", title: "Compare" }, make("input", { type: "checkbox" })),
        make("span", { class: "name" }, texted("a"), document.createTextNode(" "), texted("code")),
        make("small", {}, texted("b", { class: "warn" }), document.createTextNode(""))),
      make("td", { role: "cell", class: "num score" }, texted("b"), texted("small")),
      make("td", { role: "cell", class: "track" }, drawing(), texted("small")),
      ...cells);
  }
  let shape = { cols: null };
  function shaped() {
    if (shape.cols !== state.cols.join()) shape = { cols: state.cols.join(), node: pattern(state.cols) };
    return shape;
  }

  const put = (node, text) => { if (node.data !== text) node.data = text; };
  const set = (node, name, value) => { if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value); };
  const show = (node, visible) => { if (node.hasAttribute("hidden") === visible) node.toggleAttribute("hidden", !visible); };
  const note = (node, text) => {
    put(node.firstChild, text);
    show(node, Boolean(text));
  };

  function newLine() {
    const node = shaped().node.cloneNode(true);
    const [file, score, track, ...cells] = node.children;
    const [label, name, about] = file.children;
    return { node, shape, label, box: label.firstChild, link: name.firstChild, code: name.lastChild, about, score, svg: track.firstChild, basis: track.lastChild, cells };
  }

  function write(to, row) {
    const wanted = `${row} ${scale()}`;
    if (to.wrote === wanted) return;
    to.wrote = wanted;
    const found = scores();
    const measured = found.score[row] !== null;
    const [score, interval] = measured ? points(found, row) : [MISSING, ""];
    pickable(to.label, to.box, row);
    set(to.link, "href", `models/${encodeURIComponent(slm.ids[slm.model[row]])}.html`);
    put(to.link.firstChild, slm.names[slm.model[row]]);
    put(to.code.firstChild, quantizationOf(row));
    const counted = plain(columns.get("params"), row);
    const said = [counted && parameters(counted), plain(columns.get("license"), row), slm.server[row] && "server, weights not verified"].filter(Boolean).join(" · ");
    const quick = found.quickWords[found.quick[row]];
    put(to.about.firstChild.firstChild, quick);
    show(to.about.firstChild, Boolean(quick));
    put(to.about.lastChild, (quick && said ? " · " : "") + said);
    set(to.about, "title", said);
    put(to.score.firstChild.firstChild, score);
    note(to.score.lastChild, interval);
    show(to.svg, measured);
    if (measured) dots(to.svg, row);
    note(to.basis, found.notesWords[found.notes[row]]);
    set(to.basis, "title", to.basis.textContent); // it may be cut
    state.cols.forEach((key, place) => {
      const column = columns.get(key);
      const text = written(column, plain(column, row));
      const [, value, small] = to.cells[place].childNodes;
      put(value.firstChild || value, text);
      if (value.firstChild) set(value, "title", text);
      note(small, noteOf(column, row));
    });
  }

  function dots(svg, row) {
    const found = scores();
    const at = (name) => (found[name][row] === null ? null : found[name][row] / 10);
    const [score, low, high, chance] = [at("score"), at("low"), at("high"), at("chance")];
    const [text, between] = points(found, row);
    const known = between ? `95 % interval ${between.replace("–", " to ")}` : "interval not known";
    const [title, line, whisker, dot] = svg.children;
    const words = `${text} of 100, ${known}${chance === null ? "" : `, chance ${chance}`}`;
    if (title.textContent !== words) title.textContent = words;
    svg.classList.toggle("quick", Boolean(found.quickWords[found.quick[row]]));
    show(line, chance !== null);
    if (chance !== null) for (const end of ["x1", "x2"]) set(line, end, `${chance}%`);
    show(whisker, low !== null);
    if (low !== null) {
      set(whisker, "x1", `${low}%`);
      set(whisker, "x2", `${high}%`);
    }
    set(dot, "cx", `${score}%`);
  }

  // -- files to compare ----------------------------------------------------------------------------------------------
  function pickable(label, box, row) {
    const can = Boolean(slm.pairs[row]) && rowOf.size > 1;
    show(label, can);
    if (!can) return;
    box.value = keyOf(row);
    set(box, "aria-label", `Compare ${nameOf(row)}`);
    box.checked = state.pick.includes(box.value);
    box.disabled = state.pick.length >= MOST && !box.checked;
  }

  // Boxes keep their focus: nothing is made anew but the line below the table.
  let pickedBefore = "";
  function picked() {
    if (state.pick.join() === pickedBefore) return;
    pickedBefore = state.pick.join();
    const full = state.pick.length >= MOST;
    for (const box of document.querySelectorAll(".pick input")) {
      box.checked = state.pick.includes(box.value);
      box.disabled = full && !box.checked;
    }
    const [told, chosen] = $("picked").children;
    $("picked").hidden = !state.pick.length;
    told.textContent = state.pick.length === 1 ? "1 file chosen: choose another to compare it with." : `${state.pick.length} files chosen${full ? ", as many as can be compared" : ""}.`;
    const chips = state.pick.map((key) => {
      const name = nameOf(rowOf.get(key));
      const button = make("button", { type: "button", class: "chip", "aria-label": `Do not compare ${name}` }, name, make("span", { "aria-hidden": "true" }, " ×"));
      button.addEventListener("click", () => {
        pick(state.pick.filter((one) => one !== key));
        ($("picked").querySelector("button") || $("device")).focus();
      });
      return button;
    });
    const go = state.pick.length > 1 ? make("a", { class: "go", href: `compare.html?m=${state.pick.join()}` }, "Compare") : "";
    chosen.replaceChildren(...chips, ...(go ? [go] : []));
  }

  function pick(keys) {
    if (stepping) settle();
    state.pick = keys;
    settle();
    picked();
  }

  let headed = "";
  function heads() {
    const row = document.querySelector("table.files thead tr");
    if (headed !== state.cols.join()) {
      headed = state.cols.join();
      const [file, score, track] = row.children;
      row.replaceChildren(file, score, track, ...state.cols.map((key) => {
        const column = columns.get(key);
        const words = column.form === "text";
        const link = make("a", { href: `methodology.html#${column.anchor}` }, column.label);
        return make("th", { role: "columnheader", scope: "col", class: words ? "words" : "num", "data-key": key }, link);
      }));
      for (const head of row.querySelectorAll("[data-key]")) if (!head.querySelector("button")) sortable(head);
    }
    for (const head of row.querySelectorAll("[data-key]")) {
      const mine = state.sort.replace("-", "") === head.dataset.key;
      const falls = falling(head.dataset.key);
      put(head.firstChild.lastChild.firstChild, mine ? (falls ? " ↓" : " ↑") : "");
      if (mine) set(head, "aria-sort", falls ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
  }
  function falling(key) {
    const column = columns.get(key);
    const usual = column ? column.rising !== "1" && !(column.form === "text" && key !== "bits") : key === "score";
    return usual !== state.sort.startsWith("-");
  }
  function sortable(head) {
    const [key, link] = [head.dataset.key, head.querySelector("a")];
    const label = link.textContent;
    const button = make("button", { type: "button" }, label, texted("span", { "aria-hidden": "true" }));
    button.addEventListener("click", () => go({ sort: state.sort === key ? `-${key}` : key }));
    head.replaceChildren(button, make("a", { class: "why", href: link.getAttribute("href"), "aria-label": `What “${label}” means` }, "?"));
  }

  // What can be seen is written at once, and the rest behind the picture: whoever types does not wait for fifty rows.
  // Rows from before stand until theirs is written, so that nothing jumps.
  const body = document.querySelector("table.files tbody");
  let served = 0; // the next row of the page itself, which has them in the order of the data
  let lines = Array.from(body.children, (node) => node.classList.contains("group") ? { node, told: node.textContent } : { node, served: served++ });
  const spare = [];

  function groupLine(text) {
    return { told: text, node: make("tr", { role: "row", class: "group" }, make("th", { role: "columnheader", scope: "rowgroup", colspan: 3 + state.cols.length }, text)) };
  }
  function stands(line, row) {
    if (line.served !== row || scale() || headed !== first.join()) return false;
    if (rowOf.size > 1 && !line.label) {
      line.box = make("input", { type: "checkbox" });
      line.label = make("label", { class: "pick", title: "Compare" }, line.box);
      pickable(line.label, line.box, row);
      line.node.firstElementChild.prepend(line.label);
    }
    return true;
  }
  function lay(place, { row, text }) {
    const there = lines[place];
    if (text !== undefined ? there?.told === text : there && stands(there, row)) return;
    if (text === undefined && there?.shape && there.shape === shaped()) return write(there, row);
    let line = text === undefined ? null : groupLine(text);
    while (!line && spare.length) {
      const kept = spare.pop();
      if (kept.shape === shaped()) line = Object.assign(kept, { wrote: "" });
    }
    line ||= newLine();
    if (text === undefined) write(line, row);
    if (!there) body.append(line.node);
    else {
      there.node.replaceWith(line.node);
      if (there.shape) spare.push(there);
    }
    lines[place] = line;
  }

  // Rows that can be seen, and one more: they are written with the key or the click, the others follow the picture.
  function inView() {
    const row = lines.find((line) => line.told === undefined)?.node.offsetHeight || ROW;
    return Math.ceil((innerHeight - body.getBoundingClientRect().top) / Math.max(row, ROW)) + 1;
  }

  // What the rows of a group of speeds have in common: machine and engine, and the length where there are several.
  function whereMeasured(column, row) {
    const place = slm.places.length > 1 ? `Measured on ${slm.places[slm.place[row]]}` : "";
    const at = column.apart && column.atWords[column.at[row]];
    const told = !column.apart ? "" : at ? `${column.label} at ${at}${column.apart[row] ? "; not comparable with other lengths" : ""}` : `${column.label} not measured`;
    return [place, told].filter(Boolean).join(": ");
  }

  let turn = 0;
  function table(rows, seen, afterwards) {
    const mine = ++turn;
    const from = (state.page - 1) * PAGE;
    const planned = [];
    let last = null;
    const { group, groups } = scores();
    const byScore = state.sort.endsWith("score");
    const column = columns.get(state.sort.replace("-", ""));
    const several = local() && (slm.places.length > 1 || column.apart);
    for (const row of rows.slice(from, from + PAGE)) {
      const now = byScore ? group[row] : several ? `${slm.place[row]} ${column.apart?.[row]}` : 0;
      if (now !== last && (byScore ? groups.length > 2 || now === groups.length - 1 : several)) {
        planned.push({ text: byScore ? groups[now] : whereMeasured(column, row) });
      }
      last = now;
      planned.push({ row });
    }
    const finish = () => {
      if (mine !== turn) return;
      for (let place = seen; place < planned.length; place++) lay(place, planned[place]);
      body.removeAttribute("aria-busy");
      afterwards();
    };
    for (const gone of lines.splice(planned.length)) {
      gone.node.remove();
      if (gone.shape) spare.push(gone);
    }
    const sheet = document.querySelector(".files-sheet");
    show(sheet, rows.length > 0);
    sheet.classList.toggle("many", state.cols.length > 5);
    sheet.classList.toggle("picks", rowOf.size > 1);
    planned.slice(0, seen).forEach((one, place) => lay(place, one));
    body.setAttribute("aria-busy", "true");
    if (started) afterPicture(finish);
    else finish();
  }

  function pager(count) {
    const pages = Math.ceil(count / PAGE);
    const to = (page, text) => make("a", { href: address({ page }), "aria-label": `Page ${page}`, ...(page === state.page ? { "aria-current": "page" } : {}) }, text);
    const near = [...new Set([1, state.page - 1, state.page, state.page + 1, pages])].filter((page) => page >= 1 && page <= pages);
    $("pages").replaceChildren(...(pages > 1 ? near.flatMap((page, n) => [n && page - near[n - 1] > 1 ? "… " : "", to(page, String(page)), " "]) : []));
    $("pages").hidden = pages < 2;
  }

  // -- in words ----------------------------------------------------------------------------------------------------
  let chipped = "";
  function tell({ needed, fit, near, unknown }) {
    const files = (count) => `${number(count)} file${count === 1 ? "" : "s"}`;
    const some = needed.length || state.q;
    let text = some ? `${number(fit.length)} of ${files(size)} fit${fit.length === 1 ? "s" : ""}` : files(size);
    if (fit.length > 1 && state.sort === "score") text += ", best first by the lower end of the 95 % interval";
    if (unknown) text += `. ${files(unknown)} left out: a number that you ask for was not measured`;
    $("found").textContent = `${text}.`;
    $("near").hidden = fit.length > 0 || !near.length;
    if (!$("near").hidden) $("near").querySelector("ul").replaceChildren(...near.map(([row, , why]) => make("li", {}, link(row), " ", make("code", {}, quantizationOf(row)), ` ${why}`)));
    const wanted = JSON.stringify([needed.map((one) => one.chip), Boolean(state.q)]);
    if (wanted === chipped) return;
    chipped = wanted;
    $("chips").replaceChildren(...needed.map(({ chip, key }) => {
      const button = make("button", { type: "button", class: "chip" }, chip, make("span", { "aria-hidden": "true" }, " ×"));
      button.setAttribute("aria-label", `Remove: ${chip}`);
      button.addEventListener("click", () => clear([key]));
      return button;
    }));
    if (needed.length + Boolean(state.q) > 1) {
      const button = make("button", { type: "button", class: "chip plain" }, "Clear all");
      button.addEventListener("click", () => clear(fields));
      $("chips").append(button);
    }
  }

  function clear(keys) {
    const emptied = Object.fromEntries(keys.map((key) => [key, key === "use" ? slm.scales[0] : ""]));
    for (const [id, value] of Object.entries(emptied)) $(id).value = value;
    go(emptied);
    (document.querySelector("#chips button") || $("device")).focus();
  }

  function* ticksOf(low, high) { // numbers that may be ticks, fewer first: powers of ten, their 1, 2 and 5, multiples of one number
    const most = Math.ceil(Math.log10(high)), powers = [];
    for (let power = Math.floor(Math.log10(low)); power <= most; power++) powers.push(10 ** power);
    for (const digits of [[1], [1, 2, 5]]) yield powers.flatMap((power) => digits.map((digit) => digit * power));
    for (let power = most - 1; power > most - 4; power--) {
      for (const digit of [5, 2, 1]) {
        const step = digit * 10 ** power, found = [];
        for (let n = Math.ceil(low / step); n * step <= high; n++) found.push(n * step);
        yield found;
      }
    }
  }

  // -- speed and score of all that fits, on the machine where most of it was timed -----------------------------------
  function scatter(rows, fitting) {
    const tps = columns.get("tps");
    const [found, file] = [scores(), columns.get("size")];
    const timed = rows.filter((row) => found.score[row] !== null && plain(tps, row) !== null && !tps.apart?.[row]);
    const counts = new Map();
    for (const row of timed) counts.set(slm.place[row], (counts.get(slm.place[row]) || 0) + 1);
    const place = [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0])[0]?.[0];
    const here = timed.filter((row) => slm.place[row] === place && found.group[row] === found.group[timed.find((one) => slm.place[one] === place)]);
    const drawn = here.slice(0, PLOTTED);
    const told = plot.querySelector("p");
    const frame = plot.querySelector("div");
    if (drawn.length < 2) {
      told.textContent = "There is nothing to plot: fewer than two of these files have both a score and a speed from one machine and engine.";
      return frame.replaceChildren();
    }
    const speeds = drawn.map((row) => Number(plain(tps, row)));
    const [slow, fast] = [Math.min(...speeds) * 0.9, Math.max(...speeds) * 1.1];
    const [worst, best] = [Math.min(...drawn.map((row) => found.score[row])) / 10, Math.max(...drawn.map((row) => found.score[row])) / 10];
    const [bottom, top] = [Math.floor(worst / 10) * 10, Math.min(100, Math.ceil((best + 0.1) / 10) * 10)];
    const [width, height, left, under] = [Math.max(280, frame.clientWidth || plot.clientWidth - 28), 340, 44, 40];
    const x = (speed) => left + ((width - left - 20) * Math.log(speed / slow)) / Math.log(fast / slow);
    const y = (score) => 12 + ((height - under - 12) * (top - score)) / (top - bottom);
    const text = `${drawn.length} files by speed and score`;
    const svg = make("svg", { role: "img", viewBox: `0 0 ${width} ${height}`, width: "100%", height }, make("title", {}, text));
    let ticks = [];
    for (const candidates of ticksOf(slow, fast)) {
      ticks = [];
      for (const speed of candidates) {
        if (speed >= slow && speed <= fast && (!ticks.length || x(speed) - x(ticks.at(-1)) > 50)) ticks.push(speed);
      }
      const ends = [x(slow), ...ticks.map(x), x(fast)];
      if (ticks.length > 2 && ends.every((end, at) => !at || end - ends[at - 1] < 0.51 * (width - left))) break;
    }
    for (const speed of ticks) {
      svg.append(make("line", { class: "rule", x1: x(speed), x2: x(speed), y1: 8, y2: height - under }));
      svg.append(make("text", { x: x(speed), y: height - under + 16, "text-anchor": "middle" }, String(Number(speed.toPrecision(3)))));
    }
    for (let score = bottom; score <= top; score += top - bottom > 40 ? 20 : 10) {
      svg.append(make("line", { class: "rule", x1: left, x2: width - 12, y1: y(score), y2: y(score) }));
      svg.append(make("text", { x: left - 8, y: y(score) + 4, "text-anchor": "end" }, String(score)));
    }
    svg.append(make("text", { x: (left + width) / 2, y: height - 4, "text-anchor": "middle" }, "tok/s, on a logarithmic axis"));
    const largest = Math.max(...drawn.map((row) => plain(file, row) || 0), 1);
    for (const row of drawn) {
      const radius = 3 + 9 * Math.sqrt((plain(file, row) || 0) / largest);
      const [score] = points(found, row);
      const told = `${slm.names[slm.model[row]]} ${quantizationOf(row)}: ${score} points, ${written(tps, plain(tps, row))}, ${written(file, plain(file, row))}`;
      svg.append(make("circle", { class: fitting.has(row) ? "fits" : "tight", cx: x(Number(plain(tps, row))), cy: y(found.score[row] / 10), r: radius }, make("title", {}, told)));
    }
    const more = here.length > drawn.length ? ` The first ${drawn.length} of ${here.length} are drawn.` : "";
    const colour = drawn.every((row) => fitting.has(row)) ? "" : " Filled: all that you ask for is met.";
    const apart = tps.apart ? ` Speeds are at ${tps.atWords[tps.at[drawn[0]]]}; what was timed with other lengths only is not drawn.` : "";
    told.textContent = `Higher is better, further right is faster, and a smaller circle is a smaller file; measured on ${slm.places[place]}.${colour}${apart}${more} All numbers are in the table.`;
    frame.replaceChildren(svg);
  }

  // -- all together ------------------------------------------------------------------------------------------------
  function load(number) {
    if (slm.scores[number] || document.querySelector(`script[data-scale="${number}"]`)) return;
    const script = make("script", { src: `data/scores-${number}.js`, "data-scale": number });
    script.addEventListener("load", update);
    script.addEventListener("error", () => { $("found").textContent = "The scores of this use case could not be loaded."; });
    document.head.append(script);
  }

  let started = false;
  function update() {
    if (!scores()) return load(scale());
    const seen = started ? Math.max(1, inView()) : 0; // before anything is written: afterwards it costs a layout
    const found = choose();
    state.page = Math.min(state.page, Math.max(1, Math.ceil(found.fit.length / PAGE)));
    const title = option("use").textContent;
    $("of").textContent = title;
    heads();
    tell(found);
    picked();
    table(found.fit, seen, () => {
      pager(found.fit.length);
      if (plot.open) scatter(around(), new Set(found.fit));
    });
    started = true;
  }

  // What only memory and speed stand against is worth seeing, too.
  function around() {
    const kept = state;
    state = { ...state, device: "", gb: "", tps: "", sort: "score" };
    const rows = choose().fit;
    state = kept;
    return rows;
  }

  form.addEventListener("input", ({ target }) => {
    if (fields.includes(target.id)) go({ [target.id]: valueOf(target) }, target.tagName === "INPUT" ? target.id : null);
  });
  $("columns").addEventListener("change", () => go({ page: state.page, cols: Array.from(document.querySelectorAll("#columns input:checked"), (box) => box.value) }));
  body.addEventListener("change", ({ target }) => {
    pick(target.checked ? [...state.pick, target.value] : state.pick.filter((key) => key !== target.value));
  });
  plot.addEventListener("toggle", () => {
    settle();
    update();
  });
  let width = innerWidth;
  addEventListener("resize", () => {
    if (plot.open && innerWidth !== width) update();
    width = innerWidth;
  });
  addEventListener("pagehide", () => (settling || stepping) && settle());
  addEventListener("popstate", () => {
    clearTimeout(settling);
    settling = 0;
    stepping = false;
    typed = null;
    read();
    update();
  });
  $("pages").addEventListener("click", () => setTimeout(() => document.querySelector("table.files").scrollIntoView()));
  read();
  update();
})();
