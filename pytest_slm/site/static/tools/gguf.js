// The header of a GGUF file that somebody has chosen, read here: nothing is sent anywhere. Every count is compared with
// the size of the file before anything of that size is made.
"use strict";
const slmGguf = (() => {
  const WIDTHS = [1, 1, 2, 2, 4, 4, 4, 1, null, null, 8, 8, 8];
  const STRING = 8, ARRAY = 9, MOST = 2 ** 26;
  const KEPT = ["tokenizer.ggml.tokens", "tokenizer.ggml.merges", "tokenizer.ggml.token_type"];
  // Elements and bytes of a block, by type of a tensor.
  const TYPES = {
    0: [1, 4], 1: [1, 2], 2: [32, 18], 3: [32, 20], 6: [32, 22], 7: [32, 24], 8: [32, 34], 9: [32, 36], 10: [256, 84],
    11: [256, 110], 12: [256, 144], 13: [256, 176], 14: [256, 210], 15: [256, 292], 16: [256, 66], 17: [256, 74],
    18: [256, 98], 19: [256, 50], 20: [32, 18], 21: [256, 110], 22: [256, 82], 23: [256, 136], 24: [1, 1], 25: [1, 2],
    26: [1, 4], 27: [1, 8], 28: [1, 8], 29: [256, 56], 30: [1, 2], 34: [256, 54], 35: [256, 66], 39: [32, 17],
  };

  // Types of which llama.cpp keeps a copy in another order for the processor, beside the weights as the file has them
  // (ggml-cpu/repack.cpp in 0.3.36 of its binding): with AVX2, and with Arm's dot product.
  const COPIED = {x86: [2, 12, 20, 39], arm: [2, 8, 12, 13, 14, 20, 39]};

  class Short extends Error {}

  class Reader {
    constructor(buffer, size) {
      this.view = new DataView(buffer);
      this.at = 0;
      this.size = size;
      this.utf8 = new TextDecoder();
    }
    take(n) {
      const start = this.at;
      if (n > this.size - start) throw new Error(`not a whole GGUF: ${n} bytes at ${start} of ${this.size}`);
      if (start + n > this.view.byteLength) throw new Short();
      this.at += n;
      return start;
    }
    u32() { return this.view.getUint32(this.take(4), true); }
    u64() {
      const value = this.view.getBigUint64(this.take(8), true);
      if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Error("not a whole GGUF: a count beyond all measure");
      return Number(value);
    }
    text() {
      const n = this.u64();
      const start = this.take(n);
      return this.utf8.decode(new Uint8Array(this.view.buffer, start, n));
    }
    scalar(type) {
      const v = this.view, at = this.take(WIDTHS[type]);
      switch (type) {
        case 0: return v.getUint8(at);
        case 1: return v.getInt8(at);
        case 2: return v.getUint16(at, true);
        case 3: return v.getInt16(at, true);
        case 4: return v.getUint32(at, true);
        case 5: return v.getInt32(at, true);
        case 6: return v.getFloat32(at, true);
        case 7: return v.getUint8(at) !== 0;
        case 10: return Number(v.getBigUint64(at, true));
        case 11: return Number(v.getBigInt64(at, true));
        default: return v.getFloat64(at, true);
      }
    }
    value(type, kept) {
      if (type === STRING) return this.text();
      if (type !== ARRAY) {
        if (!WIDTHS[type]) throw new Error(`not a whole GGUF: the value type ${type}`);
        return this.scalar(type);
      }
      const inner = this.u32(), n = this.u64();
      if (n > MOST || inner === ARRAY || (inner !== STRING && !WIDTHS[inner])) {
        throw new Error(`not a whole GGUF: ${n} values of type ${inner}`);
      }
      if (inner !== STRING && !kept && n > 1024) { this.take(n * WIDTHS[inner]); return {length: n}; }
      const found = [];
      for (let i = 0; i < n; i++) {
        const value = inner === STRING ? this.text() : this.scalar(inner);
        if (kept || n <= 1024) found.push(value);
      }
      return found.length === n ? found : {length: n};
    }
  }

  function parse(buffer, size) {
    const reader = new Reader(buffer, size);
    if (reader.u32() !== 0x46554747) throw new Error("this is no GGUF file");
    const version = reader.u32();
    if (version !== 2 && version !== 3) throw new Error(`GGUF version ${version} is not read here`);
    const tensors = reader.u64(), pairs = reader.u64();
    if (24 * tensors + 13 * pairs > size) throw new Error("not a whole GGUF: more entries than fit into the file");
    const values = Object.create(null);
    for (let i = 0; i < pairs; i++) {
      const key = reader.text();
      values[key] = reader.value(reader.u32(), KEPT.includes(key));
    }
    let weights = 0, parameters = 0, unknown = 0;
    const copies = {x86: 0, arm: 0};
    for (let i = 0; i < tensors; i++) {
      const name = reader.text(), sizes = [];
      const dimensions = reader.u32();
      if (dimensions > 4) throw new Error(`not a whole GGUF: a tensor of ${dimensions} dimensions`);
      let elements = 1;
      for (let j = 0; j < dimensions; j++) elements *= sizes[sizes.push(reader.u64()) - 1];
      const number = reader.u32(), type = TYPES[number];
      reader.u64();
      for (const [kind, types] of Object.entries(COPIED)) {
        // Embeddings are looked up and not multiplied.
        if (type && types.includes(number) && dimensions === 2 && sizes[1] % 8 === 0 && !/_embd\b/.test(name)) {
          copies[kind] += elements / type[0] * type[1];
        }
      }
      parameters += elements;
      if (type) weights += elements / type[0] * type[1];
      else unknown += 1;
    }
    return {values, weights: unknown ? null : weights, copies, parameters, size};
  }

  async function read(file) {
    for (let length = 4 * 2 ** 20; ; length *= 4) {
      const buffer = await file.slice(0, length).arrayBuffer();
      try {
        return parse(buffer, file.size);
      } catch (error) {
        if (!(error instanceof Short)) throw error;
        if (length > 2 ** 28) throw new Error("a header of more than 256 MB is not read here");
      }
    }
  }

  // What footprint.js counts with; null where the header does not say it, or where layers differ among themselves.
  function shape(header) {
    const v = header.values, name = v["general.architecture"];
    const of = key => v[`${name}.${key}`];
    const layers = of("block_count"), heads = of("attention.head_count"), embedding = of("embedding_length");
    const kv = of("attention.head_count_kv") ?? heads;
    const vocabulary = of("vocab_size") ?? v["tokenizer.ggml.tokens"]?.length;
    const recurrent = of("ssm.state_size") !== undefined || of("wkv.head_size") !== undefined;
    const latent = of("attention.kv_lora_rank") !== undefined;
    if (![layers, heads, embedding, kv, vocabulary].every(n => Number.isInteger(n) && n > 0) || recurrent || latent) {
      return null;
    }
    const width = Math.floor(embedding / heads);
    const window = of("attention.sliding_window") ?? 0;
    const every = {gemma2: 2, gemma3: 6, "gpt-oss": 2}[name];
    if (window && !every) return null;
    return {
      layers, heads, kv_heads: kv, embedding, vocabulary,
      key_length: of("attention.key_length") ?? width, value_length: of("attention.value_length") ?? width,
      window, windowed: window ? layers - Math.floor(layers / every) : 0,
    };
  }

  return {read, parse, shape};
})();
