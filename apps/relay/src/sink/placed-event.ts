import type { EventHeader, RecordBody, RoutedEvent } from '@fairlead/cdc'
import type { PlacedRecord } from '@fairlead/kafka'

/** A routed event as a record of a partition. */
export class PlacedEvent implements PlacedRecord {
  readonly event: RoutedEvent
  readonly partition: number

  constructor(event: RoutedEvent, partition: number) {
    this.event = event
    this.partition = partition
  }

  get topic(): string {
    return this.event.topic
  }

  get timestampMs(): number {
    return this.event.timestampMs
  }

  get body(): RecordBody {
    return this.event.body
  }

  get key(): Uint8Array | null {
    return this.event.key
  }

  get value(): Uint8Array | null {
    return this.event.value
  }

  get headers(): readonly EventHeader[] {
    return this.event.headers
  }
}
