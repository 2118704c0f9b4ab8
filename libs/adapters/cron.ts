import { CronExpressionParser } from 'cron-parser'

/** Five fields, or six: the parser itself takes fewer, and names such as `@daily`. */
const FIELDS = /^\S+( \S+){4,5}$/
/** The parser's `H` is another time whenever it is read. */
const DRAWN = /(^|[ ,])H($|[ ,/(])/i

/** Leap years may be eight years apart; an expression that names no day at all is given up sooner than by the parser. */
const YEARS_MAX = 10

/** What is wrong with a cron expression, or null: it names a time to come. */
export function cronFault(cron: string, now: Date): string | null {
  if (!FIELDS.test(cron)) return 'expected five fields, or six with seconds, one space apart'
  if (DRAWN.test(cron)) return 'H stands for no fixed time'
  try {
    const endDate = new Date(now)
    endDate.setUTCFullYear(now.getUTCFullYear() + YEARS_MAX)
    CronExpressionParser.parse(cron, { tz: 'UTC', currentDate: now, endDate }).next()
    return null
  } catch (error) {
    return `is no cron expression: ${(error as Error).message}`
  }
}

/** Whether a time zone has this IANA name. An offset such as `+01:00` is no name. */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

/** The first time after `after`. @throws when the expression cannot be read, or names none */
export function nextDue(cron: string, tz: string, after: Date): Date {
  return CronExpressionParser.parse(cron, { tz, currentDate: after }).next().toDate()
}

/** The last time before `before`. */
export function lastDue(cron: string, tz: string, before: Date): Date {
  return CronExpressionParser.parse(cron, { tz, currentDate: before }).prev().toDate()
}
