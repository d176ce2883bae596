export { type JsonAnswer, type JsonRequest, askJson, reasonOf, refusalOf } from './ask-json.ts'
export { JsonClient, type ServiceAddress } from './json-client.ts'
export { type UrlCredentials, basicAuthorization, splitCredentials } from './url-credentials.ts'
