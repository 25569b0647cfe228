package dump_test

import "time"

// oldTime is long before any test.
var oldTime = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
