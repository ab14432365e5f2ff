package meilitest

// leftOut are the recordings that the emulator does not cover, with the reason.
var leftOut = map[string]string{
	"batches":       "lists of batches, and tasks that share one in ways that only they show; the backend looks at tasks",
	"documents-csv": "CSV; the backend sends NDJSON",
}

// Why steps of recordings are left out.
const (
	noBatches   = "GET /batches: the backend looks at tasks"
	noRanking   = "hits in the order of their rank: the emulator's search is a plain scan"
	noTypos     = "typos, accents, dropped and negative words: the emulator's search is a plain scan"
	noFilter    = "the language of filters beyond comparisons, AND and lists"
	noShow      = "highlighting, scores and positions"
	noFacets    = "facets of numbers, and of all attributes"
	noDistinct  = "distinct"
	noFederated = "federated search"
	noPosition  = "words after position 65 535 of a field: the emulator's search is a plain scan"
	noNumbers   = "a list of numbers in place of documents: the backend sends objects"
	noEmbedder  = "hybrid search"
	noStrategy  = "matching strategies"
)

// stepsLeftOut are the steps of other recordings that are not sent, by recording and note, with the reason.
var stepsLeftOut = map[string]string{
	"swap: the batch that added them":                       noBatches,
	"health-version: batches of an empty server":            noBatches,
	"documents-malformed: a list of numbers":                noNumbers,
	"documents-values: by a word after position 65 535":     noPosition,
	"multi-search: federated":                               noFederated,
	"multi-search: federated, limit and offset":             noFederated,
	"multi-search: federated, a limit in a query":           noFederated,
	"search-errors: filter that does not parse, text after": noFilter,
	"search-errors: distinct not filterable":                noDistinct,
	"search-errors: matchingStrategy unknown":               noStrategy,
	"search-errors: unknown embedder":                       noEmbedder,
	"search: q":                                             noRanking,
	"search: prefix of the last word":                       noRanking,
	"search: one typo":                                      noTypos,
	"search: case and accents":                              noTypos,
	"search: two words: the last may be dropped":            noTypos,
	"search: matchingStrategy frequency":                    noStrategy,
	"search: negative word":                                 noTypos,
	"search: filter with quotes":                            noFilter,
	"search: filter IN":                                     noFilter,
	"search: filter TO":                                     noFilter,
	"search: filter NOT":                                    noFilter,
	"search: filter EXISTS":                                 noFilter,
	"search: filter IS NULL":                                noFilter,
	"search: filter IS EMPTY":                               noFilter,
	"search: filter STARTS WITH":                            noFilter,
	"search: sort desc, with q":                             noRanking,
	"search: facets":                                        noFacets,
	"search: facets *":                                      noFacets,
	"search: distinct":                                      noDistinct,
	"search: highlight":                                     noShow,
	"search: matches position":                              noShow,
	"search: ranking score":                                 noShow,
	"search: attributesToSearchOn":                          noRanking,
	"search: GET search":                                    noRanking,
}
