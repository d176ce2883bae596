import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { askOnTerminal } from './ask-on-terminal.ts'
import { InterruptedError } from './command.ts'

const asked = (typed: string) => {
  const streams = { input: new PassThrough(), output: new PassThrough() }
  const answer = askOnTerminal('Sure? ', streams).finally(() => streams.output.end())
  streams.input.write(typed)
  return { answer, shown: text(streams.output) }
}

test('the line that is typed is the answer', async () => {
  const { answer, shown } = asked('yes\r')
  expect(await answer).toBe('yes')
  expect(await shown).toMatch(/^.*Sure\? /s)
})

test.for([
  ['Ctrl-C', '\u0003'],
  ['Ctrl-D', '\u0004'],
])('%s is no answer: it interrupts the command', async ([, typed = '']) => {
  const { answer, shown } = asked(typed)
  await expect(answer).rejects.toThrow(InterruptedError)
  expect(await shown).toMatch(/\n$/)
})
