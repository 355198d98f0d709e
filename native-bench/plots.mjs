// Draws docs/plots/*.svg from what the scripts measured (out/*.jsonl): bytes after each image by tool (compare.sh),
// growth over releases and over sizes (scale.mjs), size and time by level (levels.mjs). What was not measured is not drawn.
//
//   node native-bench/plots.mjs [--out DIRECTORY]
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { median, recorded, root } from './bench.mjs';

const WIDTH = 720;
const HEIGHT = 400;
const FRAME = { left: 64, right: 200, top: 40, bottom: 52 };
/** Readable on white and on black alike, and apart from each other without colours being told by red or green alone. */
const COLOURS = [
  '#d55e00',
  '#0096d6',
  '#009e73',
  '#cc79a7',
  '#b8860b',
  '#7a7aff',
  '#8c8c8c',
  '#a0522d',
  '#5f9ea0',
  '#e0529c',
  '#6b8e23',
];
const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #222 }
  .title { font-size: 15px; font-weight: 600 }
  .axis { stroke: #444; fill: none } .grid { stroke: #8885; fill: none }
  @media (prefers-color-scheme: dark) { text { fill: #ddd } .axis { stroke: #bbb } }`;

const { values: options } = parseArgs({
  options: { out: { type: 'string', default: join(root, 'docs/plots') } },
});
mkdirSync(options.out, { recursive: true });
const round = (value) => Number(value.toFixed(1));
const escaped = (text) => String(text).replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** A step of 1, 2 or 5 times a power of ten that divides 0 to `most` into about five. */
function tickStep(most) {
  const rough = most / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * [1, 2, 5, 10].find((times) => times * power >= rough);
}

/** From zero, or from a round value below `least`. */
function scaleTo(most, pixels, least = 0) {
  const step = tickStep(most > least ? most - least : 1);
  const start = Math.floor(least / step) * step;
  const end = Math.max(Math.ceil(most / step - 1e-9) * step, start + step);
  const count = Math.round((end - start) / step) + 1;
  const ticks = Array.from({ length: count }, (_, i) => Number((start + i * step).toPrecision(6)));
  return { ticks, place: (value) => ((value - start) / (end - start)) * pixels };
}

/** A scale on which twice as much is always as far. */
function doublingScale(least, most, pixels) {
  const first = Math.floor(Math.log2(least));
  const count = Math.max(1, Math.ceil(Math.log2(most)) - first);
  const ticks = Array.from({ length: count + 1 }, (_, i) => 2 ** (first + i));
  return { ticks, place: (value) => ((Math.log2(value) - first) / count) * pixels };
}

function horizontal({ names, isDoubling, series }, width) {
  if (names) return { ticks: names.map((_, i) => i), place: (i) => ((i + 0.5) / names.length) * width };
  const values = series.flatMap(({ points }) => points.map(({ x }) => x));
  const most = Math.max(...values);
  return isDoubling ? doublingScale(Math.min(...values), most, width) : scaleTo(most, width);
}

function text(x, y, content, more = '') {
  return `<text x="${round(x)}" y="${round(y)}" ${more}>${escaped(content)}</text>`;
}

/**
 * One plot: lines with points. `x` are numbers, on a doubling scale if so told, or names at equal distances.
 * @param {{ title: string, xLabel: string, yLabel: string, names?: string[], isDoubling?: boolean, isFromZero?: boolean,
 *   series: { label: string, points: { x: number, y: number, note?: string }[] }[] }} plot
 */
function linePlot(plot) {
  const { title, xLabel, yLabel, names, series, isFromZero = true } = plot;
  const width = WIDTH - FRAME.left - FRAME.right;
  const height = HEIGHT - FRAME.top - FRAME.bottom;
  const heights = series.flatMap((line) => line.points.map((point) => point.y));
  const y = scaleTo(Math.max(...heights), height, isFromZero ? 0 : Math.min(...heights));
  const x = horizontal(plot, width);
  const toX = (value) => FRAME.left + x.place(value);
  const toY = (value) => FRAME.top + height - y.place(value);
  const bottom = FRAME.top + height;
  const parts = [
    text(FRAME.left, 22, title, 'class="title"'),
    ...y.ticks.flatMap((tick) => [
      `<path class="grid" d="M${FRAME.left} ${round(toY(tick))}h${width}"/>`,
      text(FRAME.left - 8, toY(tick) + 4, tick, 'text-anchor="end"'),
    ]),
    ...x.ticks.map((tick) => text(toX(tick), bottom + 18, names?.[tick] ?? tick, 'text-anchor="middle"')),
    `<path class="axis" d="M${FRAME.left} ${FRAME.top}V${bottom}h${width}"/>`,
    text(FRAME.left + width / 2, HEIGHT - 12, xLabel, 'text-anchor="middle"'),
    text(
      0,
      0,
      yLabel,
      `text-anchor="middle" transform="translate(16 ${FRAME.top + height / 2}) rotate(-90)"`,
    ),
    ...series.map((line, i) => drawLine(line, COLOURS[i % COLOURS.length], toX, toY)),
    ...series.map(({ label }, i) => legend(label, COLOURS[i % COLOURS.length], i)),
  ];
  return document(title, parts);
}

function drawLine({ points }, colour, toX, toY) {
  const path = points.map(
    (point, i) => `${i === 0 ? 'M' : 'L'}${round(toX(point.x))} ${round(toY(point.y))}`,
  );
  const dots = points.map(
    (point) => `<circle cx="${round(toX(point.x))}" cy="${round(toY(point.y))}" r="2.5" fill="${colour}"/>`,
  );
  const notes = points
    .filter(({ note }) => note !== undefined)
    .map((point) => text(toX(point.x) + 5, toY(point.y) - 6, point.note));
  return [
    `<path fill="none" stroke="${colour}" stroke-width="2" d="${path.join('')}"/>`,
    ...dots,
    ...notes,
  ].join('\n');
}

function legend(label, colour, row) {
  const x = WIDTH - FRAME.right + 16;
  const y = FRAME.top + 8 + row * 20;
  return `<path stroke="${colour}" stroke-width="4" d="M${x} ${y}h18"/>${text(x + 26, y + 4, label)}`;
}

function document(title, parts) {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(title)}">`,
    `<style>${STYLE}\n</style>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
}

function draw(name, plot) {
  if (plot.series.length === 0) {
    console.log(`${name}: not measured, not drawn`);
    return;
  }
  const path = join(options.out, `${name}.svg`);
  writeFileSync(path, linePlot(plot));
  console.log(path);
}

function poolAfterImages() {
  const rows = recorded('compare');
  const names = rows.filter(({ what }) => what === 'size').map(({ image }) => image);
  const stores = rows.filter(({ what }) => what === 'store');
  const series = [...new Set(stores.map(({ tool }) => tool))].map((tool) => {
    let sum = 0;
    const points = names.map((image, x) => {
      const sizes = stores
        .filter((row) => row.tool === tool && row.image === image)
        .map(({ bytes }) => bytes);
      sum += median(sizes);
      return { x, y: sum / 1e6 };
    });
    return { label: tool, points };
  });
  series.sort((a, b) => b.points.at(-1).y - a.points.at(-1).y);
  return {
    title: 'Bytes stored after each image',
    xLabel: 'images, one after the other',
    yLabel: 'MB',
    names,
    series,
  };
}

function growthPlot(title, yLabel, xLabel, rows, x, lines) {
  const series = Object.entries(lines).map(([label, y]) => ({
    label,
    points: rows.map((row) => ({ x: x(row), y: y(row) })),
  }));
  return { title, xLabel, yLabel, series: rows.length > 0 ? series : [] };
}

function levelCurve() {
  const points = recorded('levels').map(({ level, bytes, cpuSeconds }) => ({
    x: cpuSeconds,
    y: bytes / 1e6,
    note: level,
  }));
  return {
    title: 'Size and time of a save by level',
    xLabel: 'CPU seconds',
    yLabel: 'MB in the pool',
    isDoubling: true,
    isFromZero: false,
    series: points.length > 0 ? [{ label: 'dbup --level', points }] : [],
  };
}

const later = recorded('releases').slice(1);
const sizes = recorded('sizes');
const gigabytes = (row) => row.imageBytes / 1e9;
draw('images', poolAfterImages());
draw('levels', levelCurve());
draw(
  'releases-bytes',
  growthPlot('Bytes each release added, from the second', 'MB', 'release', later, (row) => row.release, {
    added: (row) => row.addedBytes / 1e6,
  }),
);
draw(
  'releases-time',
  growthPlot(
    'Time of saving each release, from the second',
    'seconds',
    'release',
    later,
    (row) => row.release,
    {
      'on the clock': (row) => row.wallSeconds,
      CPU: (row) => row.cpuSeconds,
    },
  ),
);
draw(
  'sizes-time',
  growthPlot('Time of saving an image of growing size', 'CPU seconds', 'GB', sizes, gigabytes, {
    CPU: (row) => row.cpuSeconds,
  }),
);
draw(
  'sizes-memory',
  growthPlot('Peak memory of saving an image of growing size', 'MB', 'GB', sizes, gigabytes, {
    'peak memory': (row) => row.peakBytes / 1e6,
  }),
);
