/**
 * Page: puts the committed results into the guide, between marks, so that a figure there is always one that was measured.
 *
 *     <!-- results: insert-http -->  …  <!-- end of results -->
 */
import {figure, type Measure, median, type Report, ratioOf, verdictOf} from './report.ts';

const MARKED = /(<!-- results: ([\w-]+) -->\n)[\s\S]*?(<!-- end of results -->)/g;

const VERDICTS = {
  goal: 'goal reached',
  floor: 'floor reached',
  below: 'below the floor',
  short: 'short of the goal',
} as const;

/** The text with every marked part written anew. `reportOf` gives undefined for a bench that has no results. */
export function withResults(text: string, reportOf: (bench: string) => Report | undefined): string {
  return text.replace(MARKED, (_all, begin: string, bench: string, end: string) => {
    const report = reportOf(bench);
    const lines = report === undefined ? ['Not measured yet.'] : sectionOf(report);
    return [begin.trimEnd(), '', ...lines, '', end].join('\n');
  });
}

function sectionOf(report: Report): string[] {
  const {machine, versions, durability, rounds, loadAverage} = report;
  const software = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    ...table(report.measures),
    '',
    `${durability}. Medians of ${rounds} rounds; ${software.join(', ')}; ${machine.cpu}, ${machine.cpuCount} CPUs, ${machine.memoryGiB} GiB, ` +
      `${machine.filesystem}; load average ${loadAverage[0]} before, ${loadAverage[1]} after.`,
    ...report.notes,
  ];
}

function table(measures: readonly Measure[]): string[] {
  const rows = measures.map(measure => {
    const {goal, what, unit, ours, peer, judge} = measure;
    const beside = peer === undefined ? '' : `${peer.name} ${figure(median(peer.rounds))}`;
    const ratio = ratioOf(measure);
    const by = judge?.by === 'ratio' ? ' ×' : '';
    const verdict = verdictOf(measure);
    return [
      goal,
      what,
      `${figure(median(ours.rounds))} ${unit}`,
      beside,
      ratio === undefined || judge?.by === 'value' ? '' : figure(ratio),
      judge?.floor === undefined ? '' : `${figure(judge.floor)}${by}`,
      judge === undefined ? '' : `${figure(judge.aim)}${by}`,
      verdict === undefined ? '' : VERDICTS[verdict],
    ];
  });
  const head = ['', 'what', 'KalamDB', 'beside', 'ratio', 'floor', 'goal', 'reached'];
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)];
}
