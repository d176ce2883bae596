import type { AppContext, ConfigSpec } from '@fairlead/service'

/**
 * Answers 405 for a path that there is by another method, and names those there are: 404 says that a projection, a version
 * or a letter is not there. Of the routes that are added behind this.
 */
export function refuseOtherMethods(http: AppContext<ConfigSpec>['http']): void {
  const routes: { readonly method: string; readonly pattern: RegExp }[] = []
  http.addHook('onRoute', ({ method, url }) => {
    const pattern = new RegExp(`^${url.replaceAll(/:\w+/g, '[^/]+')}$`)
    for (const each of [method].flat()) routes.push({ method: each, pattern })
  })
  http.setNotFoundHandler(({ method, url }, reply) => {
    const path = url.replace(/\?.*$/, '')
    const allowed = routes.filter(({ pattern }) => pattern.test(path)).map((route) => route.method)
    if (allowed.length === 0) {
      return reply
        .code(404)
        .send({ code: 'UNKNOWN_ROUTE', message: `there is no ${method} ${path}` })
    }
    const methods = [...new Set(allowed)].toSorted().join(', ')
    return reply
      .code(405)
      .header('allow', methods)
      .send({ code: 'METHOD_NOT_ALLOWED', message: `${path} takes ${methods}, not ${method}` })
  })
}
