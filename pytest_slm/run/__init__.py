"""From a kind's conversations to the result of an item: the one loop that asks, records, counts and concludes."""
