import { describe, expect, it } from '@jest/globals'
import { CallbackClient, UrlNotAllowed } from './callback-client.js'

const EXPOSED = new CallbackClient(false)
const LOCAL = new CallbackClient(true)
const NEVER = new AbortController().signal

/** What hides where it leads, or leads to where nobody outside may send a request. */
const REFUSED = [
  'http://169.254.169.254/',
  'http://[::ffff:127.0.0.1]/',
  'http://[::ffff:7f00:1]/',
  'http://[64:ff9b::7f00:1]/',
  'http://2130706433/',
  'http://0x7f.1/',
  'http://127.1/',
  'http://0.0.0.0/',
  'http://100.64.0.1/',
  'http://[fe80::1]/',
  'https://user:secret@example.com/',
  'https://user@example.com/',
  'file:///etc/passwd',
  'gopher://example.com/',
  'ftp://example.com/',
  'https://example.com:22/',
  'http://example.com:6379/',
  'http://8.8.8.8/',
  'no url',
  '',
]
const LOCAL_ONES = ['http://127.0.0.1:8080/', 'http://localhost/', 'http://[::1]:9000/x']

describe('a URL to call back', () => {
  it.each(REFUSED)(
    '%j is refused when it is given and when it is called, on loopback too',
    async (url) => {
      for (const client of [EXPOSED, LOCAL]) {
        await expect(client.check(url)).rejects.toBeInstanceOf(UrlNotAllowed)
        await expect(client.post(url, {}, NEVER)).rejects.toBeInstanceOf(UrlNotAllowed)
      }
    },
  )

  it.each(LOCAL_ONES)('%j may be called by a service on loopback, and by no other', async (url) => {
    await expect(LOCAL.check(url)).resolves.toBeUndefined()
    await expect(EXPOSED.check(url)).rejects.toBeInstanceOf(UrlNotAllowed)
    await expect(EXPOSED.post(url, {}, NEVER)).rejects.toBeInstanceOf(UrlNotAllowed)
  })

  it('of a host that cannot be resolved now is judged when it is called', async () => {
    const url = 'https://nobody.invalid/hook'
    await expect(EXPOSED.check(url)).resolves.toBeUndefined()
    await expect(EXPOSED.post(url, {}, NEVER)).rejects.toMatchObject({ syscall: 'getaddrinfo' })
  })

  it('is left when the signal says so', async () => {
    const stopped = AbortSignal.abort(new Error('stop'))
    await expect(LOCAL.post('http://127.0.0.1:65000/', {}, stopped)).rejects.toThrow()
  })
})
