/** What people answer with most; each is one that Unicode recommends. */
export const emojis = ["👍", "❤️", "😂", "🎉", "😮", "😢", "🙏", "👏", "🔥", "💡", "🤔", "👀", "✅", "❌", "❓", "💯", "🚀", "⭐"];
