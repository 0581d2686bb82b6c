// The viewer of samples: its data lie beside the page as scripts, and are loaded when somebody looks at them.
// Whatever stands in them was written by models and data sets: it reaches the page as text and never as markup.
"use strict";

(() => {
  const at = (id) => document.getElementById(id);
  const manifest = JSON.parse(at("manifest").textContent);
  const SHOWS = [
    ["all", "all"], ["wrong", "wrong"], ["partly", "partly right"], ["right", "right"], ["unscored", "unscored"],
    ["cut", "cut off"], ["changed", "changed"],
  ];
  const WORDS = { r: "right", w: "wrong", p: "partly right", u: "unscored" };
  const PAGE = 20;

  // -- loading ------------------------------------------------------------------------------------------------------
  const have = new Map();
  const waiting = new Map();
  window.slmSamples = (key, data) => {
    have.set(key, data);
    if (waiting.has(key)) waiting.get(key)(data);
  };
  function load(key) {
    if (have.has(key)) return Promise.resolve(have.get(key));
    return new Promise((done, failed) => {
      waiting.set(key, done);
      const script = document.createElement("script");
      script.src = `${manifest.data}${key}.js`;
      script.onerror = () => failed(new Error(`${manifest.data}${key}.js is not there`));
      document.head.append(script);
    });
  }
  async function index(run, item) {
    if (!manifest.items[item].pieces[run]) return null;
    const found = await load(`${run}-${item}`);
    if (!found.names) {
      let before = "";
      found.names = found.ids.map((told) => (before = before.slice(0, parseInt(told.slice(0, 2), 36)) + told.slice(2)));
      found.places = new Map(found.names.map((name, place) => [name, place]));
      found.isCut = new Set(found.cut);
    }
    return found;
  }
  async function sample(run, item, found, place) {
    let piece = found.starts.length - 1;
    while (found.starts[piece] > place) piece -= 1;
    return (await load(`${run}-${item}-${piece}`))[place - found.starts[piece]];
  }

  // -- what the address says ----------------------------------------------------------------------------------------
  function asked() {
    const said = new URLSearchParams(location.hash.slice(1));
    const number = (name, most, otherwise) => {
      const place = manifest.runs.indexOf(said.get(name));
      return place < 0 || place >= most ? otherwise : place;
    };
    const item = Math.max(0, manifest.items.findIndex((one) => one.key === said.get("task")));
    const run = number("run", manifest.runs.length, 0);
    const beside = number("beside", manifest.runs.length, -1);
    const show = SHOWS.some(([name]) => name === said.get("show")) ? said.get("show") : "all";
    const page = Math.max(1, Math.min(1e6, parseInt(said.get("page"), 10) || 1));
    return { item, run, beside: beside === run ? -1 : beside, show, q: said.get("q") || "", page, id: said.get("id") };
  }
  function address(state, change) {
    const now = { ...state, ...change };
    const said = new URLSearchParams();
    said.set("task", manifest.items[now.item].key);
    if (now.run) said.set("run", manifest.runs[now.run]);
    if (now.beside >= 0) said.set("beside", manifest.runs[now.beside]);
    if (now.show !== "all") said.set("show", now.show);
    if (now.q) said.set("q", now.q);
    if (now.page > 1) said.set("page", now.page);
    if (now.id) said.set("id", now.id);
    return `#${said}`;
  }
  const go = (change) => { location.hash = address(asked(), { page: 1, id: null, ...change }); };

  // -- which samples ------------------------------------------------------------------------------------------------
  const worth = (found, place) => (found.states[place] === "p" ? found.scores[place] : found.states[place]);
  function changed(a, b, place) {
    const other = b ? b.places.get(a.names[place]) : undefined;
    return other !== undefined && worth(a, place) !== worth(b, other);
  }
  const passes = {
    all: () => true,
    cut: (a, b, place) => a.isCut.has(place),
    changed,
    wrong: (a, b, place) => a.states[place] === "w",
    partly: (a, b, place) => a.states[place] === "p",
    right: (a, b, place) => a.states[place] === "r",
    unscored: (a, b, place) => a.states[place] === "u",
  };
  const textOf = (row) => {
    const said = [...(row.asked || []), ...(row.wrote || [])].map(([, text]) => text);
    const choices = (row.choices || []).map(([text]) => text);
    return [row.id, ...said, row.expected, ...choices, row.read, row.why].filter(Boolean).join("\n");
  };

  // -- drawing ------------------------------------------------------------------------------------------------------
  function el(tag, about, ...inside) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(about || {})) if (value) made.setAttribute(name, value);
    made.append(...inside.filter((one) => one !== null && one !== undefined && one !== ""));
    return made;
  }
  const block = (label, text) => [el("p", { class: "role" }, label), el("pre", { tabindex: "0", "aria-label": label }, text)];
  const percent = (share) => (share === null ? "–" : share > 0 && share < 0.01 ? "<1 %" : `${Math.round(100 * share)} %`);

  function question(row) {
    if (row.hidden) return [el("p", { class: "empty" }, "Its texts may hurt whoever reads them, so here are their hashes.")];
    const parts = (row.asked || []).map(([role, text]) => el("div", {}, ...block(role === "text" ? "asked" : role, text)));
    const last = parts.pop();
    const found = [];
    const more = row.earlier ? `, and ${row.earlier} more in the file` : "";
    if (parts.length) {
      const told = `${parts.length} earlier message${parts.length > 1 ? "s" : ""}${more}`;
      found.push(el("details", { class: "earlier" }, el("summary", {}, told), ...parts));
    }
    if (last) found.push(last);
    else found.push(el("p", { class: "empty" }, `The question was not kept. SHA-256 of the prompt: ${row.sha256 || "?"}`));
    if (row.unshown) found.push(el("p", { class: "cut" }, `Its first ${row.unshown} tokens had no room in the context, and were not shown.`));
    return found;
  }
  function choices(rows, names) {
    const first = rows.find((row) => row && row.choices);
    if (!first) return [];
    const heads = rows.flatMap((row, place) => (row && row.choices ? [rows.length > 1 ? names[place] : "Probability"] : []));
    const head = el("tr", {}, el("th", { scope: "col" }, "Choice"), ...heads.map((name) => el("th", { scope: "col", class: "num" }, name)));
    const body = first.choices.map(([text, form, , , , right], line) => {
      const name = el("th", { scope: "row" }, form ? el("small", {}, `${form} `) : "", text || "–");
      if (right) name.append(" ", el("span", { class: "chip good" }, "right"));
      const cells = rows.filter((row) => row && row.choices).map((row) => {
        const [, , logprob, share, chosen] = row.choices[line] || ["", "", null, null, false];
        const cell = el("td", { class: "num" }, percent(share));
        if (logprob !== null) cell.append(el("small", {}, ` ${logprob.toFixed(2)}`));
        if (chosen) cell.prepend(el("span", { class: "chip" }, "chosen"), " ");
        return cell;
      });
      return el("tr", {}, name, ...cells);
    });
    const told = el("caption", { class: "hidden" }, "Choices: how likely each was (log-likelihood beside it), which was taken and which is right");
    return [el("table", { class: "choices" }, told, el("thead", {}, head), el("tbody", {}, ...body))];
  }
  function answer(row, name) {
    if (!row) return el("div", {}, el("h4", {}, name), el("p", { class: "empty" }, "It was not asked this."));
    const parts = [el("h4", {}, el("span", { class: "tick", "aria-hidden": "true" }), name, " ", el("span", { class: "score" }, told(row)))];
    if (row.thought) parts.push(el("details", { class: "earlier" }, el("summary", {}, "Thinking"), ...block("thinking", row.thought)));
    for (const [role, text] of row.wrote || []) parts.push(...block(`answer ${role}`.trim(), text));
    if (!row.hidden && !row.wrote && !row.choices) parts.push(el("p", { class: "empty" }, "No text came."));
    const facts = [["Answer read", row.read], ["Why", row.why], ["SHA-256 of the answer", row.hidden]];
    const [n, out] = row.tokens || [];
    facts.push(["Tokens", [n ? `${n} of the prompt` : "", out ? `${out} written` : ""].filter(Boolean).join(", ")]);
    const list = facts.filter(([, value]) => value).map(([label, value]) => el("div", {}, el("dt", {}, label), el("dd", {}, value)));
    parts.push(el("dl", { class: "facts tight" }, ...list));
    return el("div", { class: row.state }, ...parts);
  }
  function told(row) {
    const score = row.score === undefined ? "" : ` ${Number(row.score.toFixed(3))}`;
    return `${WORDS[row.state[0]]}${score}${row.cut ? ", cut off" : ""}`;
  }
  function article(rows, names, link) {
    const row = rows[0];
    const head = el("h3", {}, el("a", { href: link, class: "code" }, row.id));
    const expected = row.expected && !row.choices ? block("expected", row.expected) : [];
    let inside = [
      ...question(row), ...choices(rows, names), ...expected,
      el("div", { class: "beside" }, ...rows.map((one, place) => answer(one, names[place]))),
    ];
    if (row.harmful && !row.hidden) inside = [el("details", { class: "harmful" }, el("summary", {}, "Show texts that may hurt"), ...inside)];
    return el("article", { class: "sample" }, head, ...inside);
  }

  // -- the page -----------------------------------------------------------------------------------------------------
  let turn = 0;
  async function show() {
    const mine = (turn += 1);
    const state = asked();
    controls(state);
    const [a, b] = await Promise.all([
      index(state.run, state.item), state.beside < 0 ? null : index(state.beside, state.item),
    ]);
    if (mine !== turn) return;
    if (!a) return draw(state, [], `${manifest.runs[state.run]} was not asked this task.`, false);
    counts(state, a, b);
    const places = a.names.map((_, place) => place).filter((place) => passes[state.show](a, b, place));
    if (state.id && a.places.has(state.id) && !state.q) {
      const place = places.indexOf(a.places.get(state.id));
      if (place < 0) return void (location.replace(address(state, { show: "all" })));
      state.page = 1 + Math.floor(place / PAGE);
    }
    const query = state.q.toLowerCase();
    const found = [];
    const wanted = state.page * PAGE;
    let seen = 0;
    for (const place of query ? places : places.slice(wanted - PAGE, wanted)) {
      const row = await sample(state.run, state.item, a, place);
      if (mine !== turn) return;
      seen += 1;
      if (query && !textOf(row).toLowerCase().includes(query)) {
        if (seen % 2000 === 0) at("found").textContent = `searching: ${seen} of ${places.length} …`;
        continue;
      }
      found.push([place, row]);
      if (query && found.length > wanted) break;
    }
    const pageRows = query ? found.slice(wanted - PAGE, wanted) : found;
    const drawn = [];
    for (const [, row] of pageRows) {
      const other = b && b.places.get(row.id);
      drawn.push(b ? [row, other === undefined ? null : await sample(state.beside, state.item, b, other)] : [row]);
    }
    if (mine !== turn) return;
    const first = wanted - PAGE + 1;
    const total = query ? (found.length > wanted ? `more than ${wanted}` : `${found.length}`) : `${places.length}`;
    const told = drawn.length ? `${first}–${first + drawn.length - 1} of ${total}` : "No sample is like that.";
    draw(state, drawn, told, query ? found.length > wanted : places.length > wanted);
  }
  function draw(state, rows, told, more) {
    const names = [manifest.runs[state.run], manifest.runs[state.beside]];
    at("found").textContent = told;
    at("samples").replaceChildren(...rows.map((row) => article(row, names, address(state, { id: row[0].id, page: 1, q: "" }))));
    at("pages").hidden = state.page === 1 && !more;
    at("before").disabled = state.page === 1;
    at("next").disabled = !more;
    if (state.id) {
      const mine = [...document.querySelectorAll(".sample")].find((one) => one.querySelector("h3 a").textContent === state.id);
      if (mine) { mine.classList.add("here"); mine.scrollIntoView(); }
    }
  }
  function counts(state, a, b) {
    for (const [name] of SHOWS) {
      let n = 0;
      for (let place = 0; place < a.names.length; place += 1) n += passes[name](a, b, place) ? 1 : 0;
      const label = at(`show-${name}`).parentElement;
      label.hidden = name !== "all" && !n && state.show !== name;
      label.querySelector(".count").textContent = n;
    }
  }
  function options(select, names) {
    select.replaceChildren(...names.map(([value, name]) => { const made = el("option", {}, name); made.value = value; return made; }));
  }
  function controls(state) {
    at("task").value = state.item;
    at("run").value = state.run;
    options(at("beside"), [["-1", "nothing"], ...manifest.runs.map((name, place) => [place, name]).filter(([place]) => place !== state.run)]);
    at("beside").value = state.beside;
    if (document.activeElement !== at("q")) at("q").value = state.q;
    at(`show-${state.show}`).checked = true;
  }
  function begin() {
    if (!manifest.items.length) { at("found").textContent = "There is no sample to show."; return; }
    at("tools").hidden = false;
    options(at("task"), manifest.items.map((item, place) => [place, item.title]));
    options(at("run"), manifest.runs.map((name, place) => [place, name]));
    at("beside").parentElement.hidden = manifest.runs.length < 2;
    for (const [name, words] of SHOWS) {
      const radio = el("input", { type: "radio", name: "show", id: `show-${name}`, value: name });
      at("shows").append(el("label", { class: "chip" }, radio, ` ${words} `, el("span", { class: "count" })));
      radio.addEventListener("change", () => go({ show: name }));
    }
    at("task").addEventListener("change", () => go({ item: Number(at("task").value), show: "all" }));
    at("run").addEventListener("change", () => go({ run: Number(at("run").value), beside: -1 }));
    at("beside").addEventListener("change", () => go({ beside: Number(at("beside").value) }));
    let later;
    at("q").addEventListener("input", () => { clearTimeout(later); later = setTimeout(() => go({ q: at("q").value.trim() }), 250); });
    const turnTo = (step) => { const now = asked(); location.hash = address(now, { page: now.page + step, id: null }); at("list").scrollIntoView(); };
    at("before").addEventListener("click", () => turnTo(-1));
    at("next").addEventListener("click", () => turnTo(1));
    const failed = (error) => { at("found").textContent = `Not all data are there: ${error.message}`; };
    window.addEventListener("hashchange", () => show().catch(failed));
    show().catch(failed);
  }
  begin();
})();
