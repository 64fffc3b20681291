const SLOTS = 16_384
const POLYNOMIAL = 0x1021

/** The slot of a Cluster that a key belongs to: CRC16 (XMODEM) of its hash tag, or of all of it where it has none. */
export function slotOf(key: string): number {
  let crc = 0
  for (const byte of Buffer.from(hashTagOf(key))) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit += 1) crc = ((crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ POLYNOMIAL) & 0xffff
  }
  return crc % SLOTS
}

/** What stands between the first brace and the next closing one, unless that is nothing. */
function hashTagOf(key: string): string {
  const open = key.indexOf('{')
  const close = key.indexOf('}', open + 1)
  return open < 0 || close <= open + 1 ? key : key.slice(open + 1, close)
}
