// Package emporix reads products from the product catalogue API of Emporix. It requests GET /product/{tenant}/products
// in pages sorted by id, with tokens from the client credentials grant.
//
//	src, err := emporix.New(emporix.Config{
//		BaseURL:     "https://api.emporix.io",
//		Credentials: emporix.Static(clientID, clientSecret),
//	})
//
// # Promises while the catalogue changes
//
// The API has no snapshot: when a product is added or removed, all products after it move to other places in the pages.
// A reader that goes from page to page can lose products without noticing.
//
// If the service answers with a cursor to the next page (X-Next-Cursor), this source follows the cursors, which do not
// move. Otherwise it makes consecutive pages overlap. It accepts a page only if the page holds an id that is not after
// the last id yielded. Since a page is a part of the sorted catalogue without gaps, no product is lost between the last
// one yielded and this page. If the overlap is missing, because products before it were removed, the source goes back
// and reads again. Thus every product that exists during the whole read is yielded once. A product that is added or
// removed meanwhile may be yielded or not. If the catalogue changes so fast that no pages overlap, the read ends with
// [ErrShifting].
//
// Ids must be sorted by their bytes. A page in another order ends the read with an error. A product without an id is
// yielded as a [reindex.RecordError].
//
// # Requests
//
// A few pages are requested at the same time, or one at a time by cursors, and yielded in order. A request that fails
// with 429, 408 or 5xx, whose connection breaks, or whose answer is cut off, is repeated with growing waits, and not
// before the time that Retry-After names. A refused token is replaced once. Redirects are not followed, since they
// could take the secret to another server. Errors contain no secrets, tokens or text of the service.
package emporix
