package storetest

import (
	"context"
	"iter"
)

// All reads a whole Listing into memory. Its arguments are the results of the call that
// lists.
func All[T any](rows interface {
	Rows(ctx context.Context) iter.Seq2[*T, error]
}, err error) ([]T, error) {
	if err != nil {
		return nil, err
	}
	var all []T
	for row, err := range rows.Rows(context.Background()) {
		if err != nil {
			return nil, err
		}
		all = append(all, *row)
	}
	return all, nil
}
