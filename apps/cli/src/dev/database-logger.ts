import { type Logger, pino } from 'pino'

/** Logs to the file of the database; what goes wrong with it is reported to the user as well. */
export function databaseLogger(path: string, report: (line: string) => void): Logger {
  return pino(
    {
      level: 'debug',
      base: { service: 'postgres' },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
      hooks: {
        logMethod(args, method, level) {
          if (level >= pino.levels.values['error']!) report(`${String(args.at(-1))} (log: ${path})`)
          method.apply(this, args)
        },
      },
    },
    pino.destination({ dest: path, mkdir: true, sync: true }),
  )
}
