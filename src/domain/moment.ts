const HOUR_MINUTE = '(?:[01]\\d|2[0-3]):[0-5]\\d';
/** RFC 3339, 5.6, without leap seconds, which no clock here tells. */
const MOMENT = new RegExp(
  `^(\\d{4}-\\d\\d-\\d\\d)T${HOUR_MINUTE}:[0-5]\\d(?:\\.\\d{1,9})?(?:Z|[+-]${HOUR_MINUTE})$`,
  'i',
);

/** A moment by RFC 3339, with its offset; null for every other text. Cut to milliseconds. */
export function parseMoment(text: string): Date | null {
  const [, day] = MOMENT.exec(text) ?? [];
  if (day === undefined || !isInCalendar(day)) return null;
  return new Date(text.toUpperCase());
}

/** RFC 3339 in UTC, whole seconds, rounded down: as both doors show a moment. */
export function shownMoment(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}

/** Date reads 30 February as 2 March, and the 32nd of a month not at all. */
function isInCalendar(day: string): boolean {
  const date = new Date(`${day}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(day);
}
