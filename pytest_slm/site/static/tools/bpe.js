// Byte-pair encoding with the vocabulary of a GGUF file, token for token what llama.cpp makes of a text (a test compares
// them). A vocabulary whose way to cut words is not known here is refused, because something near it would be wrong.
"use strict";
const slmBpe = (() => {
  const SPACE = "\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
  const S = `[${SPACE}]`, NOT_S = `[^${SPACE}]`, OTHER = `[^${SPACE}\\p{L}\\p{N}]`;
  const GPT2 = `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?${OTHER}+|${S}+(?!${NOT_S})`;
  const ENDINGS = "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]";
  const llama3 = digits => `(?:${ENDINGS})|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}${digits}| ?${OTHER}+[\\r\\n]*|` +
    `${S}*[\\r\\n]+|${S}+(?!${NOT_S})|${S}+`;
  const WAYS = {
    smollm: ["\\p{N}", GPT2],
    "gpt-2": [GPT2],
    "llama-bpe": [llama3("{1,3}")],
    qwen2: [llama3("")],
  };
  const CONTROL = 3, UNKNOWN = 2, USER = 4;

  // GPT-2's letters for the 256 bytes.
  const BYTES = (() => {
    const plain = [], found = new Array(256);
    for (const [first, last] of [[33, 126], [161, 172], [174, 255]]) {
      for (let byte = first; byte <= last; byte++) plain.push(byte);
    }
    let next = 256;
    for (let byte = 0; byte < 256; byte++) {
      found[byte] = String.fromCodePoint(plain.includes(byte) ? byte : next++);
    }
    return found;
  })();
  const OF_LETTER = new Map(BYTES.map((letter, byte) => [letter, byte]));

  class Tokenizer {
    constructor(values) {
      this.way = values["tokenizer.ggml.pre"] ?? "";
      if (values["tokenizer.ggml.model"] !== "gpt2" || !Object.hasOwn(WAYS, this.way)) {
        const name = [values["tokenizer.ggml.model"], this.way].filter(Boolean).join(", ") || "none";
        throw new Error(`its tokenizer (${name}) is not one that this page knows: ${Object.keys(WAYS).join(", ")}`);
      }
      this.tokens = values["tokenizer.ggml.tokens"];
      this.types = values["tokenizer.ggml.token_type"] ?? [];
      this.ids = new Map(this.tokens.map((token, id) => [token, id]));
      this.ranks = new Map(values["tokenizer.ggml.merges"].map((merge, rank) => [merge, rank]));
      this.rules = WAYS[this.way].map(source => new RegExp(source, "gu"));
      this.whole = this.way === "llama-bpe";
      this.memory = new Map();
      const special = this.tokens.map((text, id) => [text, id, this.types[id]]);
      this.special = special.filter(([text, , type]) => text && (type === CONTROL || type === UNKNOWN || type === USER));
      this.special.sort((a, b) => b[0].length - a[0].length);
    }

    // Ids of a text. With `special` the names of special tokens in it are those tokens.
    encode(text, special = false) {
      let pieces = [text];
      for (const [name, id, type] of this.special) {
        if (!special && type !== USER) continue;
        if (!pieces.some(piece => typeof piece === "string" && piece.includes(name))) continue;
        pieces = pieces.flatMap(piece => {
          if (typeof piece !== "string") return [piece];
          return piece.split(name).flatMap((part, place) => place ? [id, part] : [part]);
        }).filter(piece => piece !== "");
      }
      return pieces.flatMap(piece => typeof piece === "string" ? this.plain(piece) : [piece]);
    }

    plain(text) {
      let words = [text];
      for (const rule of this.rules) words = words.flatMap(word => cut(word, rule));
      const out = [];
      for (const word of words) {
        let ids = this.memory.get(word);
        if (!ids) this.memory.set(word, ids = this.word(word));
        for (const id of ids) out.push(id);
      }
      return out;
    }

    word(word) {
      const bytes = new TextEncoder().encode(word);
      let symbols = Array.from(bytes, byte => BYTES[byte]);
      const all = symbols.join("");
      if (this.whole && this.ids.has(all)) return [this.ids.get(all)];
      while (symbols.length > 1) {
        let best = Infinity, place = -1;
        for (let i = 0; i + 1 < symbols.length; i++) {
          const rank = this.ranks.get(`${symbols[i]} ${symbols[i + 1]}`);
          if (rank !== undefined && rank < best) { best = rank; place = i; }
        }
        if (place < 0) break;
        symbols.splice(place, 2, symbols[place] + symbols[place + 1]);
      }
      return symbols.flatMap(symbol => {
        if (this.ids.has(symbol)) return [this.ids.get(symbol)];
        return Array.from(symbol).filter(letter => this.ids.has(letter)).map(letter => this.ids.get(letter));
      });
    }

    // The text of a token; of bytes that are a part of a letter only, their numbers.
    show(id) {
      const token = this.tokens[id] ?? "";
      if (this.types[id] === CONTROL || this.types[id] === USER) return token;
      const bytes = Array.from(token, letter => OF_LETTER.get(letter));
      if (bytes.includes(undefined)) return token;
      try {
        return new TextDecoder("utf-8", {fatal: true, ignoreBOM: true}).decode(new Uint8Array(bytes));
      } catch {
        return `‹${bytes.map(byte => byte.toString(16).toUpperCase().padStart(2, "0")).join(" ")}›`;
      }
    }
  }

  // What a rule finds, and what stands between.
  function cut(text, rule) {
    const found = [];
    let at = 0;
    rule.lastIndex = 0;
    for (const match of text.matchAll(rule)) {
      if (match.index > at) found.push(text.slice(at, match.index));
      found.push(match[0]);
      at = match.index + match[0].length;
    }
    if (at < text.length) found.push(text.slice(at));
    return found;
  }

  return {Tokenizer, ways: Object.keys(WAYS)};
})();
