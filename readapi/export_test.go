package readapi

// HotRead is a query of the hot path, with arguments for EXPLAIN.
type HotRead struct{ SQL, Arguments string }

// HotReads are the queries that must never scan a whole table.
func HotReads() map[string]HotRead {
	const conversation, user = `md5('c77')::uuid`, `md5('u77')::uuid`
	return map[string]HotRead{
		"history, first page":  {messagesBeforeSQL, user + `, ` + conversation + `, 9223372036854775807, 51`},
		"history, middle page": {messagesBeforeSQL, user + `, ` + conversation + `, 40, 51`},
		"history, newer page":  {messagesAfterSQL, user + `, ` + conversation + `, 30, 51`},
		"inbox, first page":    {listConversationsSQL, user + `, '9999-01-01', '00000000-0000-0000-0000-000000000000', 51`},
		"inbox, later page":    {listConversationsSQL, user + `, now() - interval '10 minutes', ` + conversation + `, 51`},
		"conversation":         {getConversationSQL, user + `, ` + conversation},
		"members":              {listMembersSQL, conversation + `, '00000000-0000-0000-0000-000000000000', 51`},
		"message":              {getMessageSQL, user + `, md5('m77')::uuid, ` + conversation},
		"membership":           {memberSQL, user + `, ` + conversation},
		"unread total":         {unreadSQL, user},
		"pins":                 {listPinsSQL, user + `, ` + conversation + `, 9223372036854775807, 51`},
		"blocks":               {listBlocksSQL, user + `, 9223372036854775807, 51`},
		"users":                {findByNameSQL, `'user 1', '', '00000000-0000-0000-0000-000000000000', 51`},
		"users by handle":      {findByHandleSQL, `'u1', '', '00000000-0000-0000-0000-000000000000', 51`},
	}
}

// SearchWindow is the number of messages that are ranked together.
const SearchWindow = searchWindow

// Searches are searches of a user who is in some of many conversations, for rare words and for words of every message.
func Searches() map[string]HotRead {
	const all, one = `md5('u77')::uuid, NULL, `, `md5('u77')::uuid, md5('c77')::uuid, `
	const rest = `, NULL, '-infinity', 'infinity', '9999-01-01', '00000000-0000-0000-0000-000000000000', 0,
		'-infinity', '00000000-0000-0000-0000-000000000000', 0, 400, 'infinity', '00000000-0000-0000-0000-000000000000', 0, 51`
	return map[string]HotRead{
		"rare word":                       {searchSQL, all + `'''word7''', ''` + rest},
		"common word":                     {searchSQL, all + `'''hello''', ''` + rest},
		"beginning of a common word":      {searchSQL, all + `'''he'':*', ''` + rest},
		"run":                             {searchSQL, all + `'', '''@中国'''` + rest},
		"common word in one conversation": {searchSQL, one + `'''hello''', ''` + rest},
	}
}
