import { type Command, UsageError, isSet } from '../command/command.ts'
import { RELAY_OPTION, RelayApi } from './relay-api.ts'
import { reportSignal } from './report-signal.ts'

export const RESET_POSITION: Command = {
  name: 'relay reset-position',
  summary: 'Lets a relay go on whose topic of positions has lost its position.',
  positionals: '',
  positionalCount: { min: 0, max: 0 },
  options: {
    'accept-duplicates': {
      doc: 'required: an event whose record the topics do not have any more is published again',
    },
    ...RELAY_OPTION,
  },
  notes:
    'With delivery=transactional. The topics of events then tell what is published, as they do with\n' +
    'delivery=idempotent. The order fails when the position is not lost.',
  async run({ options, output, signal }) {
    if (!isSet(options, 'accept-duplicates')) {
      throw new UsageError(
        'what retention or compaction has removed from the topics may be published again: say --accept-duplicates',
      )
    }
    const body = { type: 'reset-position', data: {} }
    return reportSignal(output, await new RelayApi(options).order('/signals', body, signal))
  },
}
