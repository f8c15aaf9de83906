// Runs the checks of lib.rs: all hold, and one does not where a clock lies. `node run.mjs FILE.wasm`
import { readFileSync } from "node:fs";

const { instance } = await WebAssembly.instantiate(readFileSync(process.argv[2]));
const honest = instance.exports.failed(0);
const lying = instance.exports.failed(10);
if (honest !== 0 || lying !== 6) {
  console.error(`honest: check ${honest} failed, lying: check ${lying} failed instead of 6`);
  process.exit(1);
}
console.log("wasm32: 8 checks hold; with a clock 10 ms ahead the audit does not");
