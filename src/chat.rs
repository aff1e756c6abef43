//! What a chat must do, and the chats there are.
