import type { FastifyInstance } from 'fastify'

const READING: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Answers 403 to pages in a browser that would change something. Whatever page the user of this machine
 * has open can send a form to a loopback address, with the password that his browser knows for it; no
 * page is ours. A token is sent by those alone who were given it.
 *
 * Browsers name the page in every such request: by `Origin` (Fetch standard) and by `Sec-Fetch-Site`.
 * Programs send neither. The content type would say less: a request without a body needs none.
 */
export function refusePages(http: FastifyInstance, options: { readonly hasToken: boolean }): void {
  http.addHook('onRequest', async ({ method, headers }, reply) => {
    if (READING.has(method)) return
    if (headers.origin === undefined && headers['sec-fetch-site'] === undefined) return
    // A wrong one has been answered before.
    if (options.hasToken && /^bearer /i.test(headers.authorization ?? '')) return
    return reply.code(403).send({
      code: 'FROM_A_PAGE',
      message:
        'this comes from a page in a browser, which may change something only with http.auth.bearer.token: use fairlead, or another program',
    })
  })
}
