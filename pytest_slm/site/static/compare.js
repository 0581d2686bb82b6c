// Comparisons of up to four files, question by question: the arithmetic of `pytest-slm compare` (pytest_slm/comparing).
// tests/site/compare holds both to the same numbers. Whatever comes from a file is put into the page as text.
"use strict";

const ALPHA = 0.05, POWER = 0.8, Z95 = 1.959963984540054, MOST = 4;
const sum = (values) => values.reduce((total, value) => total + value, 0);

// -- distributions --------------------------------------------------------------------------------------------------

function normal(z) { // P(Z <= z): a series near the middle, a continued fraction in the tails
  const x = Math.abs(z) / Math.SQRT2;
  let tail;
  if (x < 3) {
    let term = x, total = x;
    for (let n = 1; term > total * 1e-17 && n < 200; n++) { term *= (2 * x * x) / (2 * n + 1); total += term; }
    tail = 0.5 - (total * Math.exp(-x * x)) / Math.sqrt(Math.PI);
  } else {
    let fraction = x;
    for (let n = 60; n > 0; n--) fraction = x + n / 2 / fraction;
    tail = Math.exp(-x * x) / fraction / Math.sqrt(Math.PI) / 2;
  }
  return z < 0 ? tail : 1 - tail;
}

function inverse(cdf, share) { // the place where a distribution has this share below it
  let low = -1, high = 1;
  while (cdf(low) > share) low *= 2;
  while (cdf(high) < share) high *= 2;
  for (let n = 0; n < 80; n++) {
    const middle = (low + high) / 2;
    if (cdf(middle) < share) low = middle; else high = middle;
  }
  return (low + high) / 2;
}

function student(t, df) { // Abramowitz and Stegun 26.7.3 and 4
  const theta = Math.atan(t / Math.sqrt(df)), squared = Math.cos(theta) ** 2, odd = df % 2 === 1;
  let term = odd ? Math.cos(theta) : 1, total = 0;
  for (let k = 1; k <= Math.floor((df - (odd ? 1 : 0)) / 2); k++) {
    total += term;
    term *= odd ? (squared * 2 * k) / (2 * k + 1) : (squared * (2 * k - 1)) / (2 * k);
  }
  const inside = odd ? (2 / Math.PI) * (theta + (df > 1 ? Math.sin(theta) * total : 0)) : Math.sin(theta) * total;
  return 0.5 + inside / 2;
}

const quantile = (share, df) => inverse(df === null ? normal : (t) => student(t, df), share);

const LOGS = [0]; // of factorials
function logFactorial(n) {
  for (let k = LOGS.length; k <= n; k++) LOGS.push(LOGS[k - 1] + Math.log(k));
  return LOGS[n];
}
function binomial(n, k, share) {
  if (share === 0 || share === 1) return k === n * share ? 1 : 0;
  const ways = logFactorial(n) - logFactorial(k) - logFactorial(n - k);
  return Math.exp(ways + k * Math.log(share) + (n - k) * Math.log1p(-share));
}

// -- tests ----------------------------------------------------------------------------------------------------------

function mcnemar(onlyA, onlyB) {
  const n = onlyA + onlyB;
  let tail = 0;
  for (let k = 0; k <= Math.min(onlyA, onlyB); k++) tail += binomial(n, k, 0.5);
  return Math.min(1, 2 * tail);
}

function holm(values) {
  const order = values.map((_, place) => place).sort((a, b) => values[a] - values[b]);
  const corrected = values.map(() => 1);
  let least = 0;
  order.forEach((place, step) => {
    least = Math.max(least, Math.min(1, (values.length - step) * values[place]));
    corrected[place] = least;
  });
  return corrected;
}

function signFlips(differences, clusters) {
  const sums = new Map();
  differences.forEach((one, place) => sums.set(clusters[place], (sums.get(clusters[place]) || 0) + one));
  const sizes = [...sums.values()].map(Math.abs).filter((size) => size > 1e-12);
  const distance = Math.abs(sum(differences)), most = sum(sizes);
  if (distance <= 1e-12 * (1 + most)) return 1;
  if (sizes.length <= 12) {
    const ways = sizes.reduce((found, size) => found.flatMap((way) => [way + size, way - size]), [0]);
    return ways.filter((way) => Math.abs(way) >= distance - 1e-9 * most).length / ways.length;
  }
  const least = 2 ** (1 - sizes.length);
  return distance < most * (1 - 1e-9) ? Math.max(least, Math.min(1, 2 * flipsBeyond(distance, sizes))) : least;
}

function flipsBeyond(distance, sizes) { // Lugannani and Rice's saddlepoint formula
  const slope = (t) => sum(sizes.map((size) => size * Math.tanh(t * size)));
  let low = 0, high = 1 / Math.max(...sizes);
  while (slope(high) < distance) { low = high; high *= 2; }
  for (let n = 0; n < 50; n++) {
    const middle = (low + high) / 2;
    if (slope(middle) < distance) low = middle; else high = middle;
  }
  const t = high;
  const cumulant = sum(sizes.map((s) => t * s + Math.log1p(Math.exp(-2 * t * s)) - Math.LN2));
  const curvature = sum(sizes.map((s) => s * (1 - Math.tanh(t * s)) * s * (1 + Math.tanh(t * s))));
  const w = Math.sqrt(Math.max(0, 2 * (t * distance - cumulant))), u = t * Math.sqrt(curvature);
  const density = Math.exp((-w * w) / 2) / Math.sqrt(2 * Math.PI);
  return normal(-w) + (w > 1e-3 && u > 0 ? density * (1 / u - 1 / w) : 0);
}

function clusteredError(values, clusters) { // null for fewer than two clusters
  const n = values.length, centre = sum(values) / n, sums = new Map();
  values.forEach((value, place) => {
    const name = clusters ? clusters[place] : place;
    sums.set(name, (sums.get(name) || 0) + value - centre);
  });
  const g = sums.size;
  return g < 2 ? null : Math.sqrt((sum([...sums.values()].map((part) => part * part)) * g) / (g - 1)) / n;
}

function inflation(differences, clusters) {
  const n = differences.length, g = new Set(clusters).size;
  if (g === n) return 1;
  const plain = clusteredError(differences, null), robust = clusteredError(differences, clusters);
  return plain && robust ? Math.max(1, robust / plain) : Math.sqrt(n / g);
}

function spread(counts, mean) { // of values that are tilted exponentially until this is their mean
  const entries = [...counts], largest = Math.max(...entries.map(([x]) => Math.abs(x)));
  const weighed = (t) => {
    const weights = entries.map(([x, count]) => count * Math.exp(t * x - Math.abs(t) * largest)), total = sum(weights);
    return [1, 2].map((power) => sum(entries.map(([x], place) => x ** power * weights[place])) / total);
  };
  let low = -Infinity, high = Infinity, t = 0, squares = 0;
  for (let n = 0; n < 100; n++) {
    let centre;
    [centre, squares] = weighed(t);
    if (Math.abs(centre - mean) < 1e-9) break;
    if (centre < mean) low = t; else high = t;
    t += (mean - centre) / (squares - centre ** 2 || 1);
    if (!(low < t && t < high)) {
      const middle = (low + high) / 2;
      t = Number.isFinite(middle) ? middle : high === Infinity ? 2 * Math.max(1, low) : 2 * Math.min(-1, high);
    }
  }
  return Math.sqrt(squares - mean ** 2);
}

function critical(discordant, level) {
  let tail = 0, found = -1;
  for (let fewer = 0; fewer <= Math.floor(discordant / 2); fewer++) {
    tail += binomial(discordant, fewer, 0.5);
    if (2 * tail > level) break;
    found = fewer;
  }
  return found;
}

function power(n, apart, difference, level) {
  if (n * apart > 25) {
    if (difference === 1) return 1;
    const distance = Math.sqrt(n) * Math.max(0, difference - 1 / n) + Math.sqrt(apart) * quantile(level / 2, null);
    return normal(distance / Math.sqrt(apart - difference ** 2));
  }
  const share = (apart + difference) / (2 * apart);
  let total = 0;
  for (let discordant = 1; discordant <= Math.min(n, 50); discordant++) {
    let finds = 0;
    const most = critical(discordant, level);
    for (let fewer = 0; fewer <= most; fewer++) finds += binomial(discordant, fewer, 1 - share);
    total += binomial(n, discordant, apart) * finds;
  }
  return total;
}

function leastDetectable(n, apart, level) {
  if (2 ** (1 - n) > level) return null;
  let low = 0, high = 1;
  for (let step = 0; step < 12; step++) {
    const middle = (low + high) / 2;
    if (power(n, Math.max(apart, middle), middle, level) >= POWER) high = middle; else low = middle;
  }
  return high;
}

// The differences of two models' scores in the same questions, as `Pairs` in pytest_slm/comparing/pairs.py.
class Pairs {
  constructor(differences, clusters, most = 1) {
    Object.assign(this, { differences, clusters, most, n: differences.length });
    this.groups = new Set(clusters).size;
    this.mean = sum(differences) / this.n;
    this.plain = most === 1 && this.groups === this.n && differences.every((one) => Math.abs(one) === 1 || one === 0);
    this.onlyA = differences.filter((one) => one < 0).length;
    this.onlyB = differences.filter((one) => one > 0).length;
  }
  get turned() { return new Pairs(this.differences.map((one) => -one), this.clusters, this.most); }
  get p() {
    if (this.plain) return mcnemar(this.onlyA, this.onlyB);
    const oneSided = Math.min(this.beyond(0), this.turned.beyond(0));
    return Math.max(signFlips(this.differences, this.clusters), Math.min(1, 2 * oneSided));
  }
  get error() { // Bonett and Price (2012): centre, standard error, degrees of freedom
    const n = this.n, centre = sum(this.differences) / (n + 2);
    const squares = sum(this.differences.map((one) => one * one)) + 2 * this.most ** 2;
    const error = Math.sqrt((squares / (n + 2) - centre ** 2) / (n + 2));
    return [centre, error * inflation(this.differences, this.clusters), this.groups === n ? null : this.groups - 1];
  }
  get interval() {
    const [centre, error, df] = this.error;
    if (df === 0) return [-1, 1];
    const half = error * (df === null ? Z95 : quantile(0.975, df));
    return [Math.max(-1, centre - half), Math.min(1, centre + half)];
  }
  beyond(limit) {
    const df = this.groups - 1;
    if (!(-this.most < limit && limit < this.most) || !df) return 1;
    const counts = new Map();
    for (const one of [...this.differences, this.most, -this.most]) counts.set(one, (counts.get(one) || 0) + 1);
    const width = spread(counts, limit) * inflation(this.differences, this.clusters);
    const z = (this.mean - limit) / (width / Math.sqrt(this.n));
    return this.groups < this.n ? 1 - student(z, df) : normal(-z);
  }
  equivalent(margin) { return Math.max(this.beyond(-margin), this.turned.beyond(-margin)); }
  detectable(level) {
    if (this.plain) return leastDetectable(this.n, (this.onlyA + this.onlyB) / this.n, level);
    if (2 ** (1 - this.groups) > level) return null;
    const [, error, df] = this.error;
    const found = (quantile(1 - level / 2, df) + quantile(POWER, df)) * error;
    return found < 1 ? found : null;
  }
}

// -- from the packed scores of questions ----------------------------------------------------------------------------

function unpack(packed, n, kinds) {
  const width = [1, 2, 4, 8, 16].find((bits) => kinds <= 2 ** bits);
  const data = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  return Array.from({ length: n }, (_, place) => {
    if (width === 16) return (data[2 * place] << 8) | data[2 * place + 1];
    const each = 8 / width;
    return (data[Math.floor(place / each)] >> (8 - width * ((place % each) + 1))) & (2 ** width - 1);
  });
}

function paired(a, b, sign) { // null where its questions or their expected answers are not the same
  if (!a || !b || a.questions !== b.questions || a.n !== b.n || a.balance.join() !== b.balance.join()) return null;
  const scores = (one) => unpack(one.scores, one.n, one.levels.length).map((place) => one.levels[place]);
  const named = a.n_clusters ? a : b;
  const clusters = named.n_clusters ? unpack(named.clusters, a.n, named.n_clusters) : null;
  const groups = a.balance.length ? unpack(a.groups, a.n, a.balance.length) : null;
  const [mine, its] = [scores(a), scores(b)];
  const both = mine.map((_, place) => place).filter((place) => mine[place] !== null && its[place] !== null);
  if (!both.length) return null;
  const sizes = a.balance.map((_, group) => both.filter((place) => groups[place] === group).length);
  if (sizes.some((size) => !size)) return null;
  const weight = (place) => (groups ? both.length / a.balance.length / sizes[groups[place]] : 1);
  const pairs = new Pairs(
    both.map((place) => sign * weight(place) * (its[place] - mine[place])),
    both.map((place) => (clusters ? clusters[place] : place)),
    Math.max(1, ...(groups ? a.balance.map((_, group) => both.length / a.balance.length / sizes[group]) : [])),
  );
  pairs.places = both;
  pairs.questions = a;
  pairs.graded = [...a.levels, ...b.levels].some((level) => ![null, 0, 1].includes(level)); // answers may be partly right
  return pairs;
}

function pairsOf(a, b) { // of all questions of both items, or of the sample that both were asked; or why there are none
  if (!b) return "not measured in both";
  if (a.version !== b.version || a.metric !== b.metric) return "two versions of it";
  if (!a.questions || !b.questions) return "its metric is no mean over questions, or their scores are not in the registry";
  let asked = false;
  for (const mine of [a.questions, a.sampled]) {
    for (const its of [b.questions, b.sampled]) {
      const pairs = paired(mine, its, a.higher ? 1 : -1);
      if (pairs) return pairs;
      asked ||= Boolean(mine && its && mine.questions === its.questions);
    }
  }
  return asked ? "no question was scored in both" : "its questions or their expected answers are not the same";
}

function together(parts) { // of [weight, pairs]: one whose mean is the weighted mean of theirs
  const n = sum(parts.map(([, pairs]) => pairs.n)), total = sum(parts.map(([weight]) => weight));
  const scales = parts.map(([weight, pairs]) => ((weight / total) * n) / pairs.n);
  return new Pairs(
    parts.flatMap(([, pairs], place) => pairs.differences.map((one) => scales[place] * one)),
    parts.flatMap(([, pairs], place) => pairs.clusters.map((one) => (parts.length > 1 ? `${place}:${one}` : one))),
    Math.max(...parts.map(([, pairs], place) => scales[place] * pairs.most)),
  );
}

function judged(found, margin) { // of [{pairs, ...}]: the verdicts, corrected for how many they are
  const p = holm(found.map(({ pairs }) => pairs.p));
  const same = margin ? holm(found.map(({ pairs }) => pairs.equivalent(margin))) : [];
  return found.map((one, place) => {
    const detectable = one.pairs.detectable(ALPHA / found.length);
    let verdict = detectable === null ? "too few" : "not told apart";
    if (p[place] <= ALPHA) verdict = one.pairs.mean > 0 ? "better" : "worse";
    if (margin && same[place] <= ALPHA) verdict = "equivalent";
    return { ...one, p: p[place], same: same[place], detectable, verdict };
  });
}

const keyOf = (item) => JSON.stringify([item.suite, item.task, item.variant]); // titles may be those of several items
const titleOf = (item) => `${item.title}${item.variant ? `, ${item.variant.replaceAll("_", " ").replace(/\B(?=(\d{3})+$)/g, "\u202f")}` : ""}`;
function namesIn(file) { // the names of a file's items by their keys; those that would be equal say their suite
  const count = new Map();
  for (const title of file.items.map(titleOf)) count.set(title, (count.get(title) || 0) + 1);
  return new Map(file.items.map((item) => [keyOf(item), count.get(titleOf(item)) > 1 ? `${titleOf(item)} (${file.suites[item.suite] || item.suite})` : titleOf(item)]));
}

function counts(parts) { // questions that one file alone got right, and where an answer may be partly right, less and more of it
  const of = (graded, field) => sum(parts.filter((pairs) => Boolean(pairs.graded) === graded).map((pairs) => pairs[field]));
  return { onlyA: of(false, "onlyA"), onlyB: of(false, "onlyB"), lower: of(true, "onlyA"), higher: of(true, "onlyB") };
}

function compared(a, b) { // items and use cases that both have, and why others are not compared; as `compare_use_cases`
  const theirs = new Map(b.items.map((item) => [keyOf(item), item])), names = namesIn(a);
  const items = [], absent = [];
  for (const item of a.items) {
    const name = names.get(keyOf(item)), pairs = pairsOf(item, theirs.get(keyOf(item)));
    if (typeof pairs === "string") absent.push(`${name}: ${pairs}`);
    else items.push({ name, item, pairs, counts: counts([pairs]) });
  }
  const cases = [];
  for (const [name, use] of Object.entries(a.cases)) {
    if (!(name in b.cases) || b.cases[name].suite !== use.suite) continue;
    const mine = items.filter(({ item }) => item.suite === use.suite && item.task in use.tasks);
    const tasks = [...new Set(mine.map(({ item }) => item.task))], total = sum(tasks.map((task) => use.tasks[task]));
    if (!total) continue;
    const parts = mine.map(({ item, pairs }) => [
      use.tasks[item.task] / total / mine.filter((one) => one.item.task === item.task).length, pairs]);
    cases.push({ name: use.title, key: name, tasks: tasks.length, of: Object.keys(use.tasks).length, pairs: together(parts), parts: mine.map(({ pairs }) => pairs) });
  }
  for (const one of cases) one.counts = counts(one.parts);
  return { items, absent, cases, all: cases.length ? [whole(a, cases)] : [] };
}

function whole(a, cases) { // the total: only what has a weight in it is in it
  const weighed = cases.some(({ key }) => a.weights[key]), weight = (key) => (weighed ? a.weights[key] || 0 : 1);
  const known = cases.filter(({ key }) => weight(key)), inside = Object.keys(a.cases).filter(weight);
  const of = known.length < inside.length ? `${known.length} of ${inside.length} use cases` : `${known.length} use case${known.length === 1 ? "" : "s"}`;
  return {
    name: weighed ? a.profile : "All of these",
    note: `${of}, ${weighed ? `weighted as in the ${a.profile.toLowerCase()} score` : "each weighted the same"}`,
    pairs: together(known.map(({ key, pairs }) => [weight(key), pairs])), counts: counts(known.flatMap(({ parts }) => parts)),
    tasks: sum(known.map(({ tasks }) => tasks)), of: sum(inside.map((key) => Object.keys(a.cases[key].tasks).length)),
  };
}

window.slmArithmetic = { normal, student, quantile, holm, Pairs, paired, together, judged, compared };
