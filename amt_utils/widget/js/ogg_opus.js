// A recording made small for a page to be saved: Opus, which the browser encodes, in an Ogg file (RFC 3533, RFC 7845).

const OPUS_RATE = 48_000, OPUS_DELAY = 312, OPUS_BITS = 64_000; // Hz, in which Ogg counts; samples, libopus's 6.5 ms; bit/s
const PACKETS_PER_PAGE = 50, MOST_SEGMENTS = 255;

const OGG_CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte << 24;
  for (let bit = 0; bit < 8; bit++) sum = (sum << 1) ^ (sum < 0 ? 0x04c11db7 : 0);
  return sum;
});

/** Packets -> one page; `granule` is the position after it, `flags` 2 at the beginning and 4 at the end of the stream. */
function oggPage(packets, { granule, number, flags = 0 }) {
  const lacing = packets.flatMap((packet) => [...Array(Math.floor(packet.length / 255)).fill(255), packet.length % 255]);
  const page = new Uint8Array(27 + lacing.length + packets.reduce((sum, packet) => sum + packet.length, 0)), view = new DataView(page.buffer);
  page.set([0x4f, 0x67, 0x67, 0x53, 0, flags]); // OggS
  view.setBigInt64(6, BigInt(granule), true);
  view.setUint32(14, 1, true); // the stream's serial number: it is alone
  view.setUint32(18, number, true);
  page[26] = lacing.length;
  page.set(lacing, 27);
  packets.reduce((at, packet) => (page.set(packet, at), at + packet.length), 27 + lacing.length);
  view.setUint32(22, page.reduce((sum, byte) => (sum << 8) ^ OGG_CRC[(sum >>> 24) ^ byte], 0) >>> 0, true);
  return page;
}

/** Opus packets {bytes, samples} -> the pages of a file of `length` samples, at 48 kHz. */
function oggPages(channels, packets, length) {
  const head = new TextEncoder().encode("OpusHead\x01" + "\0".repeat(10)), view = new DataView(head.buffer);
  head[9] = channels;
  view.setUint16(10, OPUS_DELAY, true); // written here: Chromium's own header counts it at the recording's rate
  view.setUint32(12, OPUS_RATE, true);
  const tags = new TextEncoder().encode("OpusTags\x03\0\0\0AMT\0\0\0\0"); // by AMT, no comments
  const pages = [oggPage([head], { granule: 0, number: 0, flags: 2 }), oggPage([tags], { granule: 0, number: 1 })];
  for (let first = 0, granule = 0; first < packets.length;) {
    let end = first;
    for (let segments = 0; end < packets.length && end - first < PACKETS_PER_PAGE; end++) {
      segments += Math.floor(packets[end].bytes.length / 255) + 1;
      if (segments > MOST_SEGMENTS) break;
      granule += packets[end].samples;
    }
    const isLast = end === packets.length, bytes = packets.slice(first, end).map((packet) => packet.bytes);
    const place = isLast ? { granule: Math.min(granule, OPUS_DELAY + length), flags: 4 } : { granule };
    pages.push(oggPage(bytes, { number: pages.length, ...place }));
    first = end;
  }
  return pages;
}

/** Whether this browser encodes Opus, of so many channels and Hz. */
async function canEncodeOpus(options) {
  return "AudioEncoder" in window && (await AudioEncoder.isConfigSupported(options).catch(() => ({}))).supported === true;
}

/**
 * AudioBuffer -> the bytes of an Ogg file, its first two channels; null where the browser has no encoder.
 * Rates are those that Opus knows: 8, 12, 16, 24 or 48 kHz.
 */
async function encodeOpus(recording) {
  const { sampleRate, length } = recording, numberOfChannels = Math.min(2, recording.numberOfChannels);
  const options = { codec: "opus", sampleRate, numberOfChannels, bitrate: OPUS_BITS };
  if (!(await canEncodeOpus(options))) return null;
  const packets = [];
  let failure = null;
  const encoder = new AudioEncoder({
    output: (chunk) => {
      const bytes = new Uint8Array(chunk.byteLength);
      chunk.copyTo(bytes);
      packets.push({ bytes, samples: Math.round(chunk.duration * OPUS_RATE / 1e6) });
    },
    error: (error) => { failure = error; },
  });
  encoder.configure(options);
  const silence = sampleRate / 10; // pushes the last samples out of the encoder
  for (let from = 0; from < length + silence && !failure; from += sampleRate) {
    const frames = Math.min(sampleRate, length + silence - from), block = new Float32Array(frames * numberOfChannels);
    for (let c = 0; c < numberOfChannels; c++)
      block.set(recording.getChannelData(c).subarray(from, from + frames), c * frames);
    const audio = new AudioData({
      format: "f32-planar", sampleRate, numberOfChannels, numberOfFrames: frames, timestamp: Math.round(1e6 * from / sampleRate), data: block,
    });
    encoder.encode(audio);
    audio.close();
    while (encoder.encodeQueueSize > 20) await new Promise((resolve) => encoder.addEventListener("dequeue", resolve, { once: true }));
  }
  await encoder.flush();
  encoder.close();
  if (failure) return null;
  const pages = oggPages(numberOfChannels, packets, Math.round(length * OPUS_RATE / sampleRate));
  return new Uint8Array(await new Blob(pages).arrayBuffer());
}
