/** Posts all items in one message, or each in its own when one of them cannot be cloned. */
export function postAll<Item>(
  items: Item[],
  post: (items: Item[]) => void,
  whenUncloneable: (item: Item, error: unknown) => void
): void {
  try {
    post(items)
  } catch {
    for (const item of items) postOne(item, post, whenUncloneable)
  }
}

function postOne<Item>(
  item: Item,
  post: (items: Item[]) => void,
  whenUncloneable: (item: Item, error: unknown) => void
): void {
  try {
    post([item])
  } catch (error) {
    whenUncloneable(item, error)
  }
}
