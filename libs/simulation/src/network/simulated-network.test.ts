import { expect, test } from 'vitest'
import { Kernel } from '../kernel.ts'
import { CALM_LINK, type SimulatedConnection, SimulatedNetwork } from './simulated-network.ts'

type Side = { readonly pieces: number[][]; readonly closed: string[] }

function newSide(): Side & {
  readonly onBytes: (bytes: Uint8Array) => void
  readonly onClosed: (why: string) => void
} {
  const pieces: number[][] = []
  const closed: string[] = []
  return {
    pieces,
    closed,
    onBytes: (bytes) => pieces.push([...bytes]),
    onClosed: (why) => closed.push(why),
  }
}

function network(seed = 1) {
  const kernel = new Kernel(seed)
  const net = new SimulatedNetwork(kernel)
  const server = newSide()
  const accepted: SimulatedConnection[] = []
  const listen = () =>
    net.listen('b', (connection) => {
      accepted.push(connection)
      return server
    })
  listen()
  const client = newSide()
  const run = (ms = 1000) => kernel.run({ untilMs: kernel.nowMs + ms })
  return { kernel, net, server, client, accepted, run, listen }
}

const bytes = (...values: number[]) => new Uint8Array(values)

test('bytes arrive in order, whatever the pieces', () => {
  const sizes = new Set<number>()
  for (let seed = 0; seed < 200; seed += 1) {
    const { net, server, client, run } = network(seed)
    net.setConditions({ ...CALM_LINK, splitChance: 0.5 })
    const connection = net.connect('a', 'b', client)
    connection.send(bytes(1, 2, 3))
    connection.send(bytes(4, 5))
    run()
    expect(server.pieces.flat()).toEqual([1, 2, 3, 4, 5])
    for (const piece of server.pieces) sizes.add(piece.length)
  }
  // Split at every byte, and merged over the borders of what was sent.
  expect(sizes).toEqual(new Set([1, 2, 3, 4, 5]))
})

test('the answer comes back, and a close arrives after what was sent before it', () => {
  const { net, server, client, accepted, run } = network()
  const connection = net.connect('a', 'b', client)
  run()
  accepted[0]?.send(bytes(7))
  run()
  expect(client.pieces).toEqual([[7]])
  connection.send(bytes(1))
  connection.close()
  run()
  expect(server.pieces).toEqual([[1]])
  expect(server.closed).toEqual(['closed'])
  expect(net.connectionCount).toBe(0)
})

test('a connection to a host that does not listen is reset', () => {
  const { net, client, run } = network()
  net.connect('a', 'nobody', client)
  run()
  expect(client.closed).toEqual(['reset'])
})

test('a crash resets the peers, loses what was sent to it, and frees the name', () => {
  const { net, server, client, run, listen } = network()
  const connection = net.connect('a', 'b', client)
  run()
  connection.send(bytes(1))
  net.crash('b')
  run()
  expect(server.pieces).toEqual([])
  expect(server.closed).toEqual([])
  expect(client.closed).toEqual(['reset'])
  listen()
  net.connect('a', 'b', newSide()).send(bytes(2))
  run()
  expect(server.pieces).toEqual([[2]])
})

test('a cut link keeps its bytes in silence until it is healed, the other direction goes on', () => {
  const { net, server, client, accepted, run } = network()
  const connection = net.connect('a', 'b', client)
  run()
  net.cut('a', 'b')
  connection.send(bytes(1))
  accepted[0]?.send(bytes(9))
  run()
  expect(server.pieces).toEqual([])
  expect(client.pieces).toEqual([[9]])
  net.heal()
  run()
  expect(server.pieces).toEqual([[1]])
})

test('a link that resets loses bytes and tells both sides once', () => {
  const { net, server, client, accepted, run } = network()
  const connection = net.connect('a', 'b', client)
  run()
  expect(accepted).toHaveLength(1)
  net.setConditions({ ...CALM_LINK, resetChance: 1 })
  connection.send(bytes(1))
  run()
  expect(server).toMatchObject({ pieces: [], closed: ['reset'] })
  expect(client.closed).toEqual(['reset'])
  connection.send(bytes(2))
  connection.close()
  run()
  expect(client.closed).toEqual(['reset'])
})
