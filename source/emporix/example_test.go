package emporix_test

import (
	"os"

	"productindex/source/emporix"
)

func ExampleNew() {
	src, err := emporix.New(emporix.Config{
		BaseURL:     "https://api.emporix.io",
		Credentials: emporix.Static(os.Getenv("EMPORIX_CLIENT_ID"), os.Getenv("EMPORIX_CLIENT_SECRET")),
	})
	if err != nil {
		panic(err)
	}
	_ = src // give it to reindex.New
	// Output:
}
