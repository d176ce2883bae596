import { openSync, writev } from 'node:fs'
import { createServer } from 'node:net'
import { FrameCounter } from './frame-counter.ts'

/**
 * The least that a log server can do: writes every byte that arrives to a file, and answers each
 * length-prefixed frame with a small one once its bytes are written. No checks, no fsync.
 */
const ANSWER = Buffer.from([0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0])
const file = openSync(process.argv[2] ?? '', 'w')

const server = createServer({ noDelay: true }, (socket) => {
  const frames = new FrameCounter()
  let pending: Buffer[] = []
  let pendingAnswers = 0
  let isWriting = false

  const flush = () => {
    if (isWriting || pending.length === 0) return
    const [chunks, answers] = [pending, pendingAnswers]
    pending = []
    pendingAnswers = 0
    isWriting = true
    writev(file, chunks, (error) => {
      if (error !== null) throw error
      isWriting = false
      for (let answer = 0; answer < answers; answer += 1) socket.write(ANSWER)
      flush()
    })
  }

  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: Buffer) => {
    pending.push(chunk)
    pendingAnswers += frames.add(chunk)
    flush()
  })
})

server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  process.send?.(typeof address === 'object' ? address?.port : 0)
})
