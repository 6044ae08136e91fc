// Runs speedscope's own importer, as npm installs it, on a file, without a browser:
//     node speedscope_import.js FOLDER_OF_THE_PACKAGE FILE
// Prints JSON: what it recognised, and the total weight of each frame by name.
"use strict";
const fs = require("fs");
const path = require("path");

const [folder, file] = process.argv.slice(2);
const release = path.join(folder, "dist", "release");
const bundle = fs.readdirSync(release).find((name) => /^speedscope-.*\.js$/.test(name));
const text = fs.readFileSync(path.join(release, bundle), "utf8");

// The bundle keeps the importer to itself: let it out where the program first uses it.
const use = /async function \w+\(\w+,\w+\)\{return\(await (\w+)\)\.importProfileGroupFromText/
  .exec(text);
if (!use) {
  throw new Error(`this version's bundle is another one: ${bundle}`);
}
const opened = `${text.slice(0, use.index)}globalThis.importer=${use[1]};${text.slice(use.index)}`;

// The user interface that follows finds no browser; the importer needs none.
const anything = new Proxy(function () {}, {
  get: (_, key) => (key === Symbol.toPrimitive ? () => "" : anything),
  apply: () => anything,
  construct: () => anything,
  set: () => true,
});
globalThis.window = globalThis.document = anything;
console.log = () => {};
try {
  (0, eval)(opened);
} catch (error) {
  if (!globalThis.importer) {
    throw error;
  }
}

async function main() {
  const importer = await globalThis.importer;
  const group = await importer.importProfileGroupFromText(
    path.basename(file), fs.readFileSync(file, "utf8"));
  if (!group) {
    throw new Error("not recognised");
  }
  const frames = {};
  for (const profile of group.profiles) {
    profile.forEachFrame((frame) => {
      frames[frame.name] = (frames[frame.name] || 0) + frame.getTotalWeight();
    });
  }
  const profiles = group.profiles.map((p) => ({
    name: p.getName(), total: p.getTotalWeight(), unit: p.getWeightUnit() }));
  fs.writeSync(1, JSON.stringify({ profiles, frames }));
}

main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
