// What lies behind the notes: the recording's spectrum, or the network's probabilities.

class Background {
  constructor({ camera, theme, data }, onLoaded) {
    Object.assign(this, { camera, theme, data, onLoaded });
    this.pictures = new Map(); // name -> tinted tiles
  }

  forget() { this.pictures.clear(); }

  /** Grey tiles -> canvases in the theme's tint, bright where there is energy. Made when first asked for. */
  async #load(name) {
    const at = this.data.images.findIndex((image) => image.name === name), image = this.data.images[at];
    let offset = this.data.images.slice(0, at).flatMap((i) => i.tiles).reduce((sum, tile) => sum + tile.bytes, 0);
    const bytes = this.data.imageBytes(), tiles = [];
    this.pictures.set(name, tiles);
    const tint = hexToRgb(this.theme.colour.tint);
    for (const { columns, bytes: size } of image.tiles) {
      const bitmap = await createImageBitmap(new Blob([bytes.slice(offset, offset + size)], { type: image.mime }));
      offset += size;
      const tile = document.createElement("canvas");
      [tile.width, tile.height] = [columns, image.rows];
      const g = tile.getContext("2d", { willReadFrequently: true });
      g.drawImage(bitmap, 0, 0);
      const pixels = g.getImageData(0, 0, columns, image.rows), values = pixels.data;
      for (let i = 0; i < values.length; i += 4) {
        const grey = values[i] / 255;
        [values[i], values[i + 1], values[i + 2]] = tint;
        values[i + 3] = 200 * grey * grey;
      }
      g.putImageData(pixels, 0, 0);
      tiles.push(tile);
    }
    this.onLoaded();
  }

  paint(g, name) {
    const { camera } = this;
    const image = this.data.images.find((candidate) => candidate.name === name);
    const tiles = this.pictures.get(name);
    if (!tiles) {
      this.#load(name);
      return;
    }
    const perKey = image.rows / 88, top = (HIGHEST - camera.high) * perKey, rows = (camera.high - camera.low + 1) * perKey;
    let column = 0;
    g.imageSmoothingEnabled = true;
    for (const tile of tiles) {
      // frame t is centred on its time: it covers half a column on either side
      const start = (column - 0.5) * image.seconds_per_column;
      const from = Math.max(0, Math.floor((camera.start - start) / image.seconds_per_column) - 1);
      const to = Math.min(tile.width, Math.ceil((camera.end - start) / image.seconds_per_column) + 1);
      if (to > from) {
        const x = camera.x(start + from * image.seconds_per_column);
        const w = (to - from) * image.seconds_per_column / camera.span * camera.rollWidth;
        g.drawImage(tile, from, top, to - from, rows, x, RULER, w, camera.rollHeight);
      }
      column += tile.width;
    }
  }
}
