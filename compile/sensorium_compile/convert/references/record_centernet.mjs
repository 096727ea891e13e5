// Records what the original detector says, run by the original framework, for parity.py to compare with.
//   npm install @tensorflow/tfjs-core@4.22.0 @tensorflow/tfjs-converter@4.22.0 @tensorflow/tfjs-backend-cpu@4.22.0
//   node record_centernet.mjs FOLDER_WITH_CENTERNET_JSON_AND_BIN
//   python -c "import numpy as np; np.savez_compressed('centernet.npz', detections=np.fromfile('detections.f32', '<f4').reshape(100, 6))"
// The input is parity.pattern(512), made again here.
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { loadGraphModel } from '@tensorflow/tfjs-converter';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder] = process.argv.slice(2);
const SIZE = 512;

function pattern() {
  const pixels = new Float32Array(SIZE * SIZE * 3);
  for (let y = 0, i = 0; y < SIZE; y++)
    for (let x = 0; x < SIZE; x++)
      for (let c = 0; c < 3; c++, i++) {
        const block = ((x >> 5) * 37 + (y >> 5) * 101 + c * 53) % 128;
        pixels[i] = block + ((x * (c + 1) + y * 2) % 128);
      }
  return tf.tensor4d(pixels, [1, SIZE, SIZE, 3]);
}

const json = JSON.parse(readFileSync(join(folder, 'centernet.json')));
const bin = readFileSync(join(folder, 'centernet.bin'));
const model = await loadGraphModel({
  load: async () => ({
    modelTopology: json.modelTopology,
    signature: json.signature,
    weightSpecs: json.weightsManifest.flatMap((group) => group.weights),
    weightData: bin.buffer.slice(bin.byteOffset, bin.byteOffset + bin.byteLength),
  }),
});
const detections = model.execute({ 'tower_0/images': pattern() }, 'tower_0/detections');
writeFileSync('detections.f32', Buffer.from(detections.dataSync().buffer));
