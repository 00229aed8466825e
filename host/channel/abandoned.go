package channel

import (
	"context"
	"strings"
	"time"
)

// Abandoned is what waits for a channel that is not configured any more: its
// sender was told that it is kept, so it waits for the channel to come back.
type Abandoned struct {
	Channel string
	Queues  int       // with work, up to maxAbandoned of all channels
	Since   time.Time // when the first of the first queue came
}

const maxAbandoned = 10_000 // queues that are looked at, of each kind

// Abandoned lists them, by the names of their queues.
func (c *Channels) Abandoned(ctx context.Context) (list []Abandoned, err error) {
	channels := c.config.Catalog().Snapshot().Channels
	at := map[string]int{}
	for _, prefix := range []string{PrefixIntake + ":", PrefixOrder + ":"} {
		for after, seen := "", 0; seen < maxAbandoned; {
			wakes, err := c.config.Store.Wakes(ctx, prefix, after, 1000)
			if err != nil {
				return nil, err
			}
			if len(wakes) == 0 {
				break
			}
			for _, w := range wakes {
				after = w.Key
				seen++
				id, _, _ := strings.Cut(strings.TrimPrefix(w.Key, prefix), "/")
				if _, configured := channels[id]; configured {
					continue
				}
				items, err := c.config.Store.Read(ctx, w.Key, 0, 1)
				if err != nil {
					return nil, err
				}
				if len(items) == 0 {
					continue
				}
				i, known := at[id]
				if !known {
					i, at[id] = len(list), len(list)
					list = append(list, Abandoned{Channel: id, Since: receivedAt(items[0])})
				}
				list[i].Queues++
			}
		}
	}
	return list, nil
}
