// Package emporix reads products from the product catalogue API of Emporix: GET /product/{tenant}/products, in pages
// sorted by id, with tokens from the client credentials grant.
//
//	src, err := emporix.New(emporix.Config{
//		BaseURL:     "https://api.emporix.io",
//		Credentials: emporix.Static(clientID, clientSecret),
//	})
//
// # What is promised while the catalogue changes
//
// The API has no snapshot: when a product is added or removed, all those after it move, and with them what a page
// holds. A reader that goes from page to page loses products without noticing. If the service answers with a cursor to
// the next page (X-Next-Cursor), this source follows the cursors, which do not move. Otherwise it makes consecutive
// pages overlap. A page counts only if it holds an id that is not after the last one yielded: then nothing stands
// between the two, because a page is a part of the sorted catalogue without gaps. If the overlap is missing, since
// products before it were removed, the source goes back and reads again. So every product that exists during the whole
// read is yielded once. One that is added or removed meanwhile may be yielded or not. If the catalogue changes so fast
// that no pages overlap, the read ends with [ErrShifting].
//
// Ids must come in the order of their bytes. A page that is not sorted like that ends the read with an error. A product
// without an id is one bad record ([reindex.RecordError]).
//
// # Requests
//
// Pages are requested a few at a time, by cursors one at a time, and yielded in order. A request that fails with 429,
// 408 or 5xx, whose connection breaks, or whose answer is cut off, is made again with growing waits, and not before the
// time that Retry-After names. A token that is refused is replaced once. Redirects are not followed: they could take
// the secret elsewhere. Errors hold neither secrets, nor tokens, nor text of the service.
package emporix
