import { readFile } from 'node:fs/promises'
import { text as readText } from 'node:stream/consumers'
import { ACTOR_OPTION } from '../command/actor.ts'
import {
  type Command,
  EXIT,
  type OptionValues,
  UsageError,
  isSet,
  textOption,
} from '../command/command.ts'
import { actorOf } from './order-letters.ts'
import { PROJECTOR_OPTION, projectorApi } from '../command/projector-api.ts'
import { letterId } from './letter-query.ts'

export const EDIT_LETTER: Command = {
  name: 'dlq edit',
  summary: 'Has another value applied in the place of a letter. The original stays as it is.',
  positionals: '<id>',
  positionalCount: { min: 1, max: 1 },
  options: {
    value: { value: 'json', doc: 'the value, as "fairlead dlq show --reveal" prints it' },
    file: { value: 'path', doc: 'reads the value from a file; - is the standard input' },
    'take-back': { doc: 'has the original applied again' },
    ...ACTOR_OPTION,
    reason: { value: 'text', doc: 'why, for the log' },
    ...PROJECTOR_OPTION,
  },
  notes: 'The value is checked against the schema of its event type. Replay its key afterwards.',
  async run({ options, output, positionals: [id = ''], confirm }) {
    const path = `/dead-letters/${letterId(id)}/value`
    const actor = actorOf(options)
    const api = projectorApi(options)
    if (isSet(options, 'take-back')) {
      refuseValueBesideOriginal(options)
      if (!(await confirm(`Have letter ${id} applied as it was written?`))) return EXIT.failed
      await api.send('DELETE', path, actor)
      output.object({ takenBack: id }, [{ title: '', text: `letter ${id}: the original again\n` }])
      return EXIT.ok
    }
    const value = await valueOf(options)
    if (!(await confirm(`Have letter ${id} applied with another value?`))) return EXIT.failed
    await api.send('PUT', path, { value, ...actor })
    output.object({ edited: id }, [{ title: '', text: `letter ${id} is edited\n` }])
    return EXIT.ok
  },
}

/** @throws {UsageError} */
function refuseValueBesideOriginal(options: OptionValues): void {
  const { value, file } = options
  if (value === undefined && file === undefined) return
  throw new UsageError('--take-back has the original applied: leave --value and --file out')
}

/** @throws {UsageError} unless there is one JSON document, and somebody can still be asked about it. */
async function valueOf(options: OptionValues): Promise<unknown> {
  const value = textOption(options, 'value')
  const file = textOption(options, 'file')
  if ((value === undefined) === (file === undefined)) {
    throw new UsageError('give the value with --value or --file, or the original with --take-back')
  }
  if (file === '-' && !isSet(options, 'yes')) {
    throw new UsageError('--file - reads all that is typed, and leaves no answer: add --yes')
  }
  const json = value ?? (file === '-' ? await readText(process.stdin) : await readFile(file ?? ''))
  try {
    return JSON.parse(String(json))
  } catch (error) {
    throw new UsageError(`the value is no JSON: ${String(error)}`)
  }
}
