/**
 * Plot: how the figures of a report grow with their number, as one SVG: a panel for each kind of thing, a line for each question, as a multiple of
 * what the smallest number costs. Both axes are logarithmic, so what stays flat is level and what grows as the number does is steep.
 */
import {type Measure, ratioOf} from './report.ts';

const PANEL = {width: 300, height: 220, gap: 50};
const LEFT = 50;
const TOP = 40;
const COLORS = ['#1f6feb', '#d1242f', '#1a7f37', '#8250df', '#9a6700'];
/** Ratios from 1/4 to 64. */
const RATIO_LOG_MIN = -2;
const RATIO_LOG_MAX = 6;

/** Measures whose series are named `10,000 users`, with the smallest number as their peer. */
export function growthPlot(title: string, measures: readonly Measure[]): string {
  const kinds = [...new Set(measures.map(kindOf))];
  const lines = [...new Set(measures.map(lineOf))];
  const width = LEFT + kinds.length * (PANEL.width + PANEL.gap);
  const height = TOP + PANEL.height + 40 + lines.length * 18;
  const panels = kinds.flatMap((kind, i) => panel(kind, LEFT + i * (PANEL.width + PANEL.gap), measures, lines));
  const legend = lines.map((line, i) => text(LEFT, TOP + PANEL.height + 50 + i * 18, line, COLORS[i % COLORS.length]!));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="12">`,
    '<rect width="100%" height="100%" fill="#fff"/>',
    text(LEFT, 18, title, '#000'),
    ...panels,
    ...legend,
    '</svg>\n',
  ].join('\n');
}

function panel(kind: string, left: number, all: readonly Measure[], lines: readonly string[]): string[] {
  const measures = all.filter(one => kindOf(one) === kind);
  const smallest = numberOf(measures[0]!.peer!.name);
  const largest = Math.max(...measures.map(one => numberOf(one.ours.name)));
  const logOf = (count: number) => Math.log10(Math.max(1, count));
  const x = (count: number) =>
    left + ((logOf(count) - logOf(smallest)) / (logOf(largest) - logOf(smallest))) * PANEL.width;
  const y = (ratio: number) => {
    const log = Math.min(RATIO_LOG_MAX, Math.max(RATIO_LOG_MIN, Math.log2(ratio)));
    return TOP + PANEL.height * (1 - (log - RATIO_LOG_MIN) / (RATIO_LOG_MAX - RATIO_LOG_MIN));
  };
  const grid = [0.25, 1, 4, 16, 64].flatMap(ratio => [
    `<path d="M${left} ${y(ratio)}h${PANEL.width}" stroke="${ratio === 1 ? '#888' : '#ddd'}"/>`,
    text(left - 30, y(ratio) + 4, `×${ratio}`, '#666'),
  ]);
  const counts = [smallest, ...new Set(measures.map(one => numberOf(one.ours.name)))];
  const labels = counts.map(count =>
    text(x(count) - 15, TOP + PANEL.height + 16, count.toLocaleString('en-US'), '#666'),
  );
  const curves = lines.map((line, i) => {
    const points = measures.filter(one => lineOf(one) === line);
    const path = points.map(one => `L${x(numberOf(one.ours.name)).toFixed(1)} ${y(ratioOf(one)!).toFixed(1)}`).join('');
    return `<path d="M${x(smallest)} ${y(1)}${path}" fill="none" stroke="${COLORS[i % COLORS.length]}" stroke-width="2"/>`;
  });
  return [...grid, ...labels, text(left + PANEL.width / 2, TOP + PANEL.height + 32, kind, '#000'), ...curves];
}

function text(x: number, y: number, content: string, color: string): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" fill="${color}">${content}</text>`;
}

function kindOf({ours}: Measure): string {
  return ours.name.split(' ')[1]!;
}

function lineOf({what}: Measure): string {
  return what.slice(0, what.lastIndexOf(', '));
}

function numberOf(name: string): number {
  return Number(name.split(' ')[0]!.replaceAll(',', ''));
}
