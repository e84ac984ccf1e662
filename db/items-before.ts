/** The items before the first of which it is so; all where it is so of none. */
export function itemsBefore<Item>(items: readonly Item[], isSo: (item: Item) => boolean): Item[] {
  const index = items.findIndex(isSo)
  return index === -1 ? [...items] : items.slice(0, index)
}
