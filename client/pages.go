package client

import "iter"

// pageSize is how many groups or tasks are fetched at a time.
const pageSize = 500

// pages yields the entries of a list, fetching page after page from the one of a
// token on. An error ends it.
func pages[T any](token string, fetch func(token string) (page []T, next string, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for token := token; ; {
			page, next, err := fetch(token)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, entry := range page {
				if !yield(entry, nil) {
					return
				}
			}
			if token = next; token == "" {
				return
			}
		}
	}
}
