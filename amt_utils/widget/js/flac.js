// A recording made small where the browser encodes nothing: FLAC (RFC 9639) of one channel, by fixed predictors and Rice codes.

const FLAC_RATE = 16_000, FLAC_BITS = 16, FLAC_BLOCK = 4096; // Hz, as the networks hear it

class BitWriter {
  constructor(capacity) { Object.assign(this, { bytes: new Uint8Array(capacity), n: 0, held: 0, free: 8 }); }

  put(value, bits) {
    while (bits > 0) {
      const take = Math.min(bits, this.free);
      this.held |= ((value >>> (bits - take)) & ((1 << take) - 1)) << (this.free - take);
      [bits, this.free] = [bits - take, this.free - take];
      if (!this.free) [this.bytes[this.n++], this.held, this.free] = [this.held, 0, 8];
    }
  }

  unary(zeros) {
    for (; zeros >= 24; zeros -= 24) this.put(0, 24);
    this.put(1, zeros + 1);
  }

  align() { if (this.free < 8) this.put(0, this.free); }
}

/** CRC of `bits` bits with a polynomial, most significant bit first. */
function crc(bytes, from, to, bits, polynomial) {
  const top = 1 << (bits - 1), mask = 2 ** bits - 1;
  let sum = 0;
  for (let i = from; i < to; i++) {
    sum ^= bytes[i] << (bits - 8);
    for (let k = 0; k < 8; k++) sum = ((sum << 1) ^ (sum & top ? polynomial : 0)) & mask;
  }
  return sum;
}

/** Whole samples -> the best fixed predictor's {order, residual, parameter}, by the mean size of what it leaves. */
function predict(samples) {
  let best = null;
  for (let order = 0, left = samples; order <= 4 && order < samples.length; order++) {
    if (order) left = left.map((x, i) => (i < order ? 0 : x - left[i - 1])); // each difference once more
    const residual = left.subarray(order), mean = residual.reduce((sum, x) => sum + Math.abs(x), 0) / residual.length;
    if (!best || mean < best.mean) best = { order, residual, mean };
  }
  return { ...best, parameter: Math.min(14, Math.max(0, Math.ceil(Math.log2(best.mean * 1.4 + 1e-9)))) };
}

/** Whole samples of 16 bits -> a file in which the lowest `wasted` bits are 0. */
function flacFile(samples, wasted) {
  const out = new BitWriter(64 + 8 * samples.length), block = Math.min(FLAC_BLOCK, samples.length);
  for (const letter of "fLaC") out.put(letter.charCodeAt(0), 8);
  for (const [value, bits] of [[0x80, 8], [34, 24], [block, 16], [block, 16], [0, 24], [0, 24], [FLAC_RATE, 20], [0, 3], [FLAC_BITS - 1, 5],
    [0, 4], [samples.length, 32], ...Array(4).fill([0, 32])]) out.put(value, bits);
  for (let number = 0; number * block < samples.length; number++) {
    const begin = out.n, own = samples.subarray(number * block, (number + 1) * block).map((x) => x >> wasted);
    for (const [value, bits] of [[0xfff8, 16], [7, 4], [0, 4], [0, 8]]) out.put(value, bits); // its length follows; the rest as in the head
    for (const byte of utf8(number)) out.put(byte, 8);
    out.put(own.length - 1, 16);
    out.put(crc(out.bytes, begin, out.n, 8, 0x07), 8);
    const { order, residual, parameter } = predict(own);
    out.put(8 + order, 7); // a fixed predictor
    if (wasted) out.put(1, 1), out.unary(wasted - 1);
    else out.put(0, 1);
    for (const sample of own.subarray(0, order)) out.put(sample & (2 ** (FLAC_BITS - wasted) - 1), FLAC_BITS - wasted);
    out.put(0, 6); // Rice codes, one parameter
    out.put(parameter, 4);
    for (const x of residual) {
      const folded = x < 0 ? -2 * x - 1 : 2 * x;
      out.unary(folded >>> parameter);
      if (parameter) out.put(folded & ((1 << parameter) - 1), parameter);
    }
    out.align();
    out.put(crc(out.bytes, begin, out.n, 16, 0x8005), 16);
  }
  return out.bytes.slice(0, out.n);
}

/** A number as UTF-8 encodes a character. */
function utf8(number) {
  if (number < 0x80) return [number];
  const tail = [];
  let size = 0x40; // that the first byte has room for
  do {
    tail.unshift(0x80 | (number % 64));
    [number, size] = [Math.floor(number / 64), size / 2];
  } while (number >= size);
  return [(0x100 - 2 * size) | number, ...tail];
}

/** AudioBuffer -> the bytes of a FLAC file of at most so many bytes, as far as leaving out lowest bits can do that. */
async function encodeFlac(recording, most) {
  const context = new OfflineAudioContext(1, Math.round(recording.duration * FLAC_RATE), FLAC_RATE);
  const source = new AudioBufferSourceNode(context, { buffer: recording });
  source.connect(context.destination);
  source.start();
  const heard = (await context.startRendering()).getChannelData(0);
  const samples = Int32Array.from(heard, (x) => Math.round(32767 * Math.max(-1, Math.min(1, x))));
  let bytes = null;
  for (let wasted = 0; wasted <= 8 && !(bytes?.length <= most); wasted++) bytes = flacFile(samples, wasted);
  return bytes;
}
