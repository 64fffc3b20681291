import { expect, test } from 'vitest'
import { complaintAboutNode } from '../../src/core/node-version.ts'

test.each(['22.14.0', '22.14.1', '22.15.0', '23.0.0', '24.21.0', '25.0.0-nightly20260101', '100.0.0'])(
  'Node %s will do',
  (version) => {
    expect(complaintAboutNode(version)).toBeUndefined()
  },
)

test.each(['22.13.1', '22.2.0', '20.20.2', '18.0.0'])(
  'Node %s is refused in one sentence, with the version found and what to do',
  (version) => {
    expect(complaintAboutNode(version)).toBe(
      `holdfast needs Node.js 22.14 or newer, but this is ${version}: install a newer one (https://nodejs.org) and try again.`,
    )
  },
)

test('this very Node will do', () => {
  expect(complaintAboutNode(process.versions.node)).toBeUndefined()
})
