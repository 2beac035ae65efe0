// Says in one plain line why the server cannot run on an old Node. Plain JavaScript, since an old Node cannot read the sources.
const NODE_MAJOR_MIN = 24;

if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR_MIN) {
  console.error(`KalamDB needs Node.js ${NODE_MAJOR_MIN} or newer; this is ${process.version}.`);
  process.exit(1);
}
