import type { DiskCallback } from './disk.ts'
import { type DiskTask, runTask } from './disk-task.ts'
import { Fifo } from './fifo.ts'

/** Runs tasks one after the other: those of one log change the same files. */
export class TaskQueue {
  readonly #waiting = new Fifo<() => void>()
  #isRunning = false

  run<Value>(task: () => DiskTask<Value>, done: DiskCallback<Value>): void {
    this.#waiting.push(() =>
      runTask(task(), (result) => {
        this.#isRunning = false
        done(result)
        this.#next()
      }),
    )
    this.#next()
  }

  #next(): void {
    if (this.#isRunning) return
    const start = this.#waiting.shift()
    if (start === undefined) return
    this.#isRunning = true
    start()
  }
}
