import Fastify from 'fastify'

/** A route that answers bytes that are there already, and nothing else: the ceiling of Fastify. */
const [, , body = '{}', contentType = 'application/json'] = process.argv
const http = Fastify()
http.get('/schemas/ids/:id', (_request, reply) => reply.type(contentType).send(body))
await http.listen({ port: 0, host: '127.0.0.1' })
const address = http.server.address()
console.log(JSON.stringify({ httpPort: typeof address === 'object' ? address?.port : 0 }))
