import type { ValidBatch } from './batch-validation.ts'
import { refused } from './batch-validation.ts'
import type { AppendContext, AppendRefusal } from './outcomes.ts'
import {
  NO_PRODUCER_ID,
  type ProducerBatch,
  type ProducerEntry,
  type ProducerStates,
  admitBatch,
} from './producer-state.ts'

export type Admitted =
  /** One entry per batch: what is then known of its producer; null for a batch without one. */
  | { readonly kind: 'append'; readonly entries: readonly (ProducerEntry | null)[] }
  /** Every batch stands in the log already. */
  | { readonly kind: 'duplicate'; readonly baseOffset: number; readonly lastOffset: number }
  | { readonly kind: 'refused'; readonly refusal: AppendRefusal }

/** Whether batches continue what their producers wrote before. Changes nothing. */
export function admitBatches(
  batches: readonly ValidBatch[],
  producers: ProducerStates,
  placement: Pick<AppendContext, 'nowMs' | 'origin'> & { readonly logEndOffset: number },
): Admitted {
  /** What the batches before have changed: none for one alone, as most are. */
  const staged = batches.length > 1 ? new Map<number, ProducerEntry>() : undefined
  const entries: (ProducerEntry | null)[] = []
  const duplicates: ProducerBatch[] = []
  let baseOffset = placement.logEndOffset
  for (const { header } of batches) {
    const { producerId } = header
    if (producerId === NO_PRODUCER_ID) {
      entries.push(null)
    } else {
      const known = staged?.get(producerId) ?? producers.get(producerId)
      const admission = admitBatch(known, header, { ...placement, baseOffset })
      if (admission.kind === 'refused') return refusedBy(admission)
      if (admission.kind === 'duplicate') {
        duplicates.push(admission.batch)
      } else {
        entries.push(admission.entry)
        staged?.set(producerId, admission.entry)
      }
    }
    baseOffset += header.lastOffsetDelta + 1
  }
  const [first] = duplicates
  const last = duplicates.at(-1)
  if (first === undefined || last === undefined) return { kind: 'append', entries }
  if (duplicates.length === batches.length) {
    return { kind: 'duplicate', baseOffset: first.baseOffset, lastOffset: last.lastOffset }
  }
  const message = 'some of the batches stand in the log already, others do not'
  return { kind: 'refused', refusal: refused('OUT_OF_ORDER_SEQUENCE_NUMBER', message) }
}

function refusedBy({ errorCode, message }: AppendRefusalCause): Admitted {
  return { kind: 'refused', refusal: refused(errorCode, message) }
}

type AppendRefusalCause = Pick<AppendRefusal, 'errorCode' | 'message'>
