import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

/** A certificate for 127.0.0.1 that signs itself. */
export interface TlsFiles {
  readonly certFile: string
  readonly keyFile: string
  /** The certificate's text: who trusts it, trusts the server. */
  readonly ca: string
}

const folders: string[] = []

/** Removes what the test file has made. */
afterAll(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

/** Makes a key and a certificate. Node can make keys only, so `openssl` does it. */
export function makeTlsFiles(): TlsFiles {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-tls-'))
  folders.push(folder)
  const [certFile, keyFile] = [join(folder, 'server.crt'), join(folder, 'server.key')]
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyFile]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost']
  try {
    execFileSync('openssl', ['req', '-x509', '-days', '2', ...key, '-out', certFile, ...subject], { stdio: 'pipe' })
  } catch (error) {
    throw new Error('openssl cannot make a certificate: install the Debian package openssl.', { cause: error })
  }
  return { certFile, keyFile, ca: readFileSync(certFile, 'utf8') }
}
