package readapi

// HotRead is a query of the hot path with arguments to explain it with.
type HotRead struct{ SQL, Arguments string }

// HotReads are the queries that must never read a table from end to end.
func HotReads() map[string]HotRead {
	const conversation, user = `md5('c77')::uuid`, `md5('u77')::uuid`
	return map[string]HotRead{
		"history, first page":  {messagesBeforeSQL, conversation + `, 9223372036854775807, 51`},
		"history, middle page": {messagesBeforeSQL, conversation + `, 40, 51`},
		"history, onwards":     {messagesAfterSQL, conversation + `, 30, 51`},
		"inbox, first page":    {listConversationsSQL, user + `, '9999-01-01', '00000000-0000-0000-0000-000000000000', 51`},
		"inbox, a later page":  {listConversationsSQL, user + `, now() - interval '10 minutes', ` + conversation + `, 51`},
		"a conversation":       {getConversationSQL, user + `, ` + conversation},
		"members":              {listMembersSQL, conversation + `, '00000000-0000-0000-0000-000000000000', 51`},
		"a message":            {getMessageSQL, user + `, ` + conversation},
		"users":                {findUsersSQL, `'user 1', '', '00000000-0000-0000-0000-000000000000', 51`},
	}
}

// SearchWindow is how many messages are ranked at a time.
const SearchWindow = searchWindow

// Searches are searches of a user in some of many conversations, for words
// that are rare and that are in every message.
func Searches() map[string]HotRead {
	const all, one = `md5('u77')::uuid, NULL, `, `md5('u77')::uuid, md5('c77')::uuid, `
	const rest = `, NULL, '-infinity', 'infinity', '9999-01-01', '00000000-0000-0000-0000-000000000000', 0,
		'-infinity', '00000000-0000-0000-0000-000000000000', 0, 400, 'infinity', '00000000-0000-0000-0000-000000000000', 0, 51`
	return map[string]HotRead{
		"a rare word":                       {searchSQL, all + `'''word7''', ''` + rest},
		"a common word":                     {searchSQL, all + `'''hello''', ''` + rest},
		"the beginning of a common word":    {searchSQL, all + `'''he'':*', ''` + rest},
		"a run":                             {searchSQL, all + `'', '''@中国'''` + rest},
		"a common word in one conversation": {searchSQL, one + `'''hello''', ''` + rest},
	}
}
