// Search, sort and filters of the home page. Without this script the page is complete; it only hides and moves rows.
"use strict";

const tools = document.getElementById("tools");
const tables = Array.from(document.querySelectorAll("table.models tbody"), (body) => ({
  body,
  section: body.closest("section"),
  rows: Array.from(body.rows),
}));
const field = (id) => document.getElementById(id).value.trim();
const number = (text) => (text === "" ? null : Number(text));

function caseScore(row, name) {
  const part = row.dataset.cases.split(" ").find((word) => word.startsWith(name + ":"));
  return part ? Number(part.slice(name.length + 1)) : null;
}

// A model of which a number is not known never passes a filter on that number.
function within(row, key, least, most) {
  if (least === null && most === null) return true;
  const value = number(row.dataset[key]);
  return value !== null && (least === null || value >= least) && (most === null || value <= most);
}

function shown(row) {
  const words = field("q").toLowerCase().split(/\s+/).filter(Boolean);
  const bytes = (id) => (number(field(id)) === null ? null : number(field(id)) * 1e9);
  return (
    words.every((word) => row.dataset.search.includes(word)) &&
    (field("f-license") === "" || row.dataset.license === field("f-license")) &&
    (field("f-case") === "" || caseScore(row, field("f-case")) !== null) &&
    within(row, "ram", null, bytes("f-ram")) &&
    within(row, "size", null, bytes("f-size")) &&
    within(row, "context", number(field("f-context")), null) &&
    within(row, "tps", number(field("f-tps")), null) &&
    within(row, "ttft", null, number(field("f-ttft")))
  );
}

// Rows stay within their machine: numbers of two machines are never put in one order.
function order(rows) {
  const [key, how] = field("sort").split(":");
  if (key === "score") return rows; // as the page has them: by rank, those without one by score, then by name
  if (how === "text") return [...rows].sort((a, b) => a.dataset[key].localeCompare(b.dataset[key]));
  const value = (row) => (key === "case" ? caseScore(row, how) : number(row.dataset[key]));
  const sign = how === "up" ? 1 : -1;
  return [...rows].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === null || y === null) return (x === null) - (y === null);
    return sign * (x - y);
  });
}

function update() {
  let count = 0;
  let total = 0;
  for (const { body, section, rows } of tables) {
    const visible = rows.filter(shown);
    for (const row of rows) row.hidden = !visible.includes(row);
    body.append(...order(rows));
    section.hidden = visible.length === 0;
    count += visible.length;
    total += rows.length;
  }
  document.getElementById("found").textContent =
    count === total ? `${total} model${total === 1 ? "" : "s"}` : `${count} of ${total} models`;
}

if (tools) {
  tools.hidden = false;
  tools.addEventListener("input", update);
  tools.addEventListener("reset", () => setTimeout(update));
  tools.addEventListener("submit", (event) => event.preventDefault());
  update();
}
