curl -X POST \
"https://api.ocamba.com/v1/hood/integrations" \
-H "Authorization: Bearer {TOKEN}" \
-H "Content-Type: application/json" \
-d '{
"name": "Example Twilio",
"provider_id": "1000",
"settings": {
"account_sid": "AC7XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
"auth_token": "464XXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
"default_phone_number": "+121XXXXXXXXX"
},
"status": "active"
}'
