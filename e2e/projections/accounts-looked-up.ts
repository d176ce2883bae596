import { type FoldProjection, type Projection, remove } from '@fairlead/projection'
import { accounts } from './accounts.ts'

/** What an event is noted with is asked of the service at `LOOK_UP_URL`. */
const lookedUp: FoldProjection = {
  ...accounts,
  concurrency: 16,
  enrichEach: async ({ key, source }) => {
    const url = `${process.env['LOOK_UP_URL']}/${process.pid}/${key}/${source.offset}`
    return (await fetch(url)).text()
  },
  on: {
    Deposited: (row, event, note) => {
      const next = accounts.on['Deposited']?.(row, event) ?? row
      return next === remove ? next : { ...next, note }
    },
  },
}

export const projections: readonly Projection[] = [lookedUp]
